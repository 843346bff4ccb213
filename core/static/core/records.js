/* Comfort on lists, records and forms; each page works without. Loaded after app.js. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, handler) => document.addEventListener(event, handler);

  /* ---- A click anywhere in a row opens its record ---- */
  on("click", (event) => {
    const row = event.target.closest(".table tbody tr");
    const link = row && $("a.record-link", row);
    if (!link || $(".cell-form", row) || event.target.closest("a, button, input, select, label, summary, .cell-select")) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || String(getSelection())) return;
    link.click();
  });

  /* ---- Filter: what is ticked is told on the button that opens the choices ---- */
  on("change", (event) => {
    const choices = event.target.closest("[data-choices]");
    if (!choices) return;
    const output = $("[data-choices-text]", choices);
    const words = $$("input:checked", choices).map((box) => box.nextElementSibling.textContent);
    output.textContent = words.join(output.dataset.joint) || output.dataset.choicesText;
  });

  /* ---- Child lines: rows are added and removed in place; the server does it without scripts ---- */
  on("click", (event) => {
    const button = event.target.closest("[data-line-add], [data-line-remove]");
    if (!button) return;
    event.preventDefault();
    const lines = button.closest("[data-lines]");
    const body = $("tbody", lines);
    if (button.matches("[data-line-remove]")) {
      button.closest("tr").remove();
    } else {
      const next = 1 + Math.max(-1, ...$$("[name]", body).map((each) => Number(each.name.split(".")[1]) || 0));
      const row = $("template", lines).content.firstElementChild.cloneNode(true);
      row.innerHTML = row.innerHTML.replaceAll(`${lines.dataset.lines}.NEW`, `${lines.dataset.lines}.${next}`);
      body.append(row);
      window.htmx?.process(row);
      row.dispatchEvent(new Event("dougong:added", { bubbles: true }));
      $("input:not([type=hidden]), select, textarea", row)?.focus();
    }
    lines.dispatchEvent(new Event("input", { bubbles: true }));
  });

  /* ---- References to many: what is picked becomes a box that is ticked ---- */
  on("change", (event) => {
    const field = event.target.matches?.("[data-picker] input[type=hidden]")
      && event.target.closest(".field");
    const picked = field && $("[data-picked]", field);
    if (!picked || !event.target.value) return;
    const input = $("[role=combobox]", field);
    if (!$(`input[value="${CSS.escape(event.target.value)}"]`, picked)) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      label.className = "check";
      Object.assign(box, { type: "checkbox", checked: true, name: picked.dataset.picked, value: event.target.value });
      label.append(box, ` ${input.value}`);
      picked.append(label);
    }
    event.target.value = input.value = "";
  });
  on("change", (event) => { if (event.target.matches("[data-submits]")) event.target.form.requestSubmit(); });
})();
