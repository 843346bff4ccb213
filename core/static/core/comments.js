/* Comments: people are offered after an @, and one's own comment is changed in its place. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (event, handler) => document.addEventListener(event, handler);
  let list = null;
  let owner = null;  // the text that the list belongs to
  let asked = 0;

  /* Without scripts nobody is offered, so the text is a plain one until it is entered. */
  on("focusin", (event) => {
    if (!event.target.matches("[data-mentions]:not([role])")) return;
    const ties = { role: "combobox", "aria-expanded": false, "aria-autocomplete": "list", "aria-haspopup": "listbox" };
    Object.entries(ties).forEach(([name, value]) => event.target.setAttribute(name, value));
  });

  /* The word after the last @ before the caret, or null. */
  function wordAt(area) {
    const found = /@([^\s@]{0,20})$/.exec(area.value.slice(0, area.selectionStart));
    return found ? found[1] : null;
  }
  function close() {
    list?.remove();
    list = null;
    owner?.setAttribute("aria-expanded", false);
    ["aria-controls", "aria-activedescendant"].forEach((name) => owner?.removeAttribute(name));
    owner = null;
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
    list.id = "mention-list";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", area.getAttribute("aria-label"));
    list.innerHTML = offers;  // made by the server, which escapes names
    area.parentElement.append(list);
    owner = area;
    area.setAttribute("aria-expanded", true);
    area.setAttribute("aria-controls", list.id);
    const options = optionsOf(list);
    options.forEach((each, i) => { each.id = `${list.id}-${i}`; });
    if (options.length) select(options, 0);
  });
  const optionsOf = (root) => [...root.querySelectorAll("[role=option]")];
  function select(options, at) {
    options.forEach((each, i) => each.setAttribute("aria-selected", i === at));
    options[at].scrollIntoView({ block: "nearest" });
    owner.setAttribute("aria-activedescendant", options[at].id);
  }
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
    if (event.key === "Escape") {
      const entry = area.closest("li");
      event.preventDefault();
      if (list) close(); else if (entry) cancel(entry);
      return;
    }
    const options = list ? optionsOf(list) : [];
    if (!options.length) return;
    const at = options.findIndex((each) => each.ariaSelected === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      select(options, (at + step + options.length) % options.length);
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      pick(area, options[Math.max(at, 0)]);
    }
  });
  on("focusout", (event) => { if (event.target.matches("[data-mentions]")) close(); });

  on("click", (event) => {
    const button = event.target.closest("[data-edit-comment], [data-cancel-comment]");
    if (!button) return;
    const entry = button.closest("li");
    if (button.matches("[data-cancel-comment]")) { event.preventDefault(); cancel(entry); return; }
    $("details", entry).open = false;
    $(".timeline-body", entry).hidden = true;
    const form = $(".comment-form", entry);
    const area = $("textarea", form);
    form.hidden = false;
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  });
  /* The comment stands again as it is kept. */
  function cancel(entry) {
    const form = $(".comment-form", entry);
    const body = $(".timeline-body", entry);
    close();
    $("textarea", form).defaultValue = body.textContent;  // after a refusal it was what was typed
    $("textarea", form).removeAttribute("aria-invalid");
    form.querySelectorAll("[data-named], .error").forEach((each) => each.remove());
    form.reset();
    form.hidden = true;
    body.hidden = false;
    $("summary", entry).focus();
  }
  /* Who asked for older entries goes on reading with them. */
  let isOlder = false;
  on("htmx:before:swap", ({ detail: { ctx } }) => { isOlder = ctx.sourceElement.matches(".timeline-older *"); });
  on("htmx:after:swap", () => {
    if (!isOlder) return;
    isOlder = false;
    const first = [...document.querySelectorAll(".timeline")].pop();
    first.tabIndex = -1;
    first.focus({ preventScroll: true });
  });
})();
