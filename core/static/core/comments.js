/* Comments: people are offered after an @, and one's own comment is changed in its place. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (event, handler) => document.addEventListener(event, handler);
  let list = null;
  let asked = 0;

  /* The word after the last @ before the caret, or null. */
  function wordAt(area) {
    const found = /@([^\s@]{0,20})$/.exec(area.value.slice(0, area.selectionStart));
    return found ? found[1] : null;
  }
  function close() {
    list?.remove();
    list = null;
    asked += 1;  // what is still to come is no longer wanted
  }
  on("input", async (event) => {
    const area = event.target;
    const url = $(".mention-box[data-suggest]")?.dataset.suggest;
    if (!area.matches("[data-mentions]") || !url) return;
    const word = wordAt(area);
    close();
    if (word === null) return;
    const mine = ++asked;
    const answer = await fetch(`${url}?${new URLSearchParams({ q: word })}`);
    if (!answer.ok || answer.redirected) return;  // redirected: signed out meanwhile
    const offers = await answer.text();
    if (mine !== asked) return;
    list = document.createElement("ul");
    list.className = "picker-list";
    list.setAttribute("role", "listbox");
    list.innerHTML = offers;  // made by the server, which escapes names
    area.parentElement.append(list);
    $("[role=option]", list)?.setAttribute("aria-selected", "true");
  });
  function pick(area, option) {
    const start = area.value.slice(0, area.selectionStart).replace(/@[^\s@]{0,20}$/, `@${option.dataset.label} `);
    area.value = start + area.value.slice(area.selectionStart);
    area.setSelectionRange(start.length, start.length);
    const hidden = document.createElement("input");
    Object.assign(hidden, { type: "hidden", name: "mentions", value: option.dataset.id });
    hidden.dataset.named = `@${option.dataset.label}`;
    area.form.append(hidden);
    close();
    area.focus();
  }
  on("mousedown", (event) => {
    const option = list && event.target.closest("[role=option]");
    if (!option || !list.contains(option)) return;
    event.preventDefault();
    pick($("textarea", list.parentElement), option);
  });
  /* Who is no longer named is not told. */
  on("submit", (event) => {
    const area = $("[data-mentions]", event.target);
    event.target.querySelectorAll("[data-named]").forEach((each) => { if (!area?.value.includes(each.dataset.named)) each.remove(); });
  });
  on("keydown", (event) => {
    const area = event.target;
    if (!area.matches?.("[data-mentions]") || event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); area.form.requestSubmit(); return; }
    const options = list ? [...list.querySelectorAll("[role=option]")] : [];
    if (!options.length) return;
    const at = options.findIndex((each) => each.ariaSelected === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const next = (at + step + options.length) % options.length;
      options.forEach((each, i) => each.setAttribute("aria-selected", i === next));
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      pick(area, options[Math.max(at, 0)]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });
  on("focusout", (event) => { if (event.target.matches("[data-mentions]")) close(); });

  on("click", (event) => {
    const button = event.target.closest("[data-edit-comment]");
    if (!button) return;
    const entry = button.closest("li");
    $("details", entry).open = false;
    $(".timeline-body", entry).hidden = true;
    const form = $(".comment-form", entry);
    form.hidden = false;
    $("textarea", form).focus();
  });
})();
