/* Comfort on top of pages that work without it. One listener per kind of event, on the document,
   so that fragments swapped in by htmx need no set-up. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, handler, options) => document.addEventListener(event, handler, options);

  /* ---- htmx: the token goes with every request; a picker asks with ?q= ---- */
  on("htmx:config:request", ({ detail: { ctx } }) => {
    const token = $('meta[name="csrf-token"]');
    if (token) ctx.request.headers["X-CSRF-Token"] = token.content;
    const input = ctx.sourceElement;
    if (input.closest("[data-picker]")) {
      ctx.request.body.delete(input.name);
      ctx.request.body.set("q", input.value);
    }
  });
  on("htmx:finally:request", ({ detail: { ctx } }) => release(ctx.sourceElement.closest("form")));
  on("htmx:after:swap", () => { watchToasts(); $$(".picker-list").forEach(showList); });

  /* ---- Dialogs and menus ---- */
  on("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    const dialog = opener && document.getElementById(opener.dataset.opens);
    if (dialog) {
      event.preventDefault();
      const menu = opener.closest("[data-menu]");  // to whose button the focus returns
      if (menu) { menu.open = false; $("summary", menu).focus(); }
      dialog.showModal();
    }
    if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
    if (event.target.matches("dialog.dialog")) event.target.close();
    $$("details[data-menu][open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  on("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;  // the editor has keys of its own
    if (event.key === "Escape") escape(event.target);
    else if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) beginSearch(event);
    else if (event.key.length === 1 && isFree(event)) singleKey(event);
  });
  /* A single key acts only where it writes nothing, and not for who has switched that off. */
  function isFree(event) {
    const busy = event.target.closest?.("input, textarea, select, [contenteditable], dialog");
    return !busy && !event.ctrlKey && !event.metaKey && !event.altKey && !document.body.hasAttribute("data-no-keys");
  }
  function singleKey(event) {
    if (event.key === "/") beginSearch(event);
    else if (event.key === "?") $("#keys")?.showModal();
    else if (event.key === "j" || event.key === "k") walk(event.key === "j" ? 1 : -1);
    else $(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
  function beginSearch(event) {
    const box = $("[data-search]");
    if (!box) return;
    event.preventDefault();
    box.focus();
    box.select();
  }
  /* To the next record of the list, or the one before. */
  function walk(step) {
    const links = $$("a.record-link");
    const at = links.indexOf(document.activeElement);
    links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
  }
  on("focusin", (event) => {
    if (!event.target.matches("[data-search]")) return;
    window.htmx?.process(event.target);  // whoever is quick comes before htmx has looked at the page
    event.target.dispatchEvent(new Event("dougong:offer"));
  });
  function escape(from) {
    const menu = from.closest?.("details[data-menu][open]") || $("details[data-menu][open]");
    if (menu) { menu.open = false; $("summary", menu).focus(); return; }
    const picker = from.closest?.("[data-picker]");
    if (picker && $(".picker-list", picker).childElementCount) { closeList(picker); return; }
    if (from.matches?.("[data-search]")) from.blur();
    if (location.hash === "#navigation") location.hash = "main";
  }

  /* ---- Selecting rows ---- */
  function countRows(list) {
    const boxes = $$('[name="ids"]', list);
    const chosen = boxes.filter((box) => box.checked).length;
    const all = $("[data-all]", list);
    const whole = chosen > 0 && chosen === boxes.length;
    if (all && !whole) all.value = "";
    $$("[data-bulk-all]", list).forEach((button) => { button.hidden = !whole || all.value === "1"; });
    $$("[data-bulk-count]", list).forEach((output) => { output.textContent = all?.value === "1" ? all.dataset.all : chosen; });
    $$("[data-select-all]", list).forEach((all) => {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    });
  }
  let lastBox = null;
  on("click", (event) => {
    const box = event.target;
    if (!box.matches('[name="ids"]')) return;
    const boxes = $$('[name="ids"]', box.closest(".list, table"));
    if (event.shiftKey && boxes.includes(lastBox)) {
      const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
    }
    lastBox = box;
  });
  on("change", (event) => {
    const list = event.target.closest(".list");
    if (!list || !event.target.matches('[name="ids"], [data-select-all]')) return;
    if (event.target.matches("[data-select-all]")) {
      $$('[name="ids"]', list).forEach((box) => { box.checked = event.target.checked; });
    }
    countRows(list);
  });

  on("click", (event) => {
    const button = event.target.closest("[data-bulk-all]");
    if (!button) return;
    const list = button.closest(".list");
    $("[data-all]", list).value = "1";
    countRows(list);
  });

  /* ---- Forms: one send per click, and a word before changes are lost ---- */
  const changed = new Set();
  on("input", (event) => {
    const form = event.target.closest("form[data-guard]");
    if (form) changed.add(form);
  });
  on("submit", (event) => {
    const form = event.target;
    const method = form.getAttribute("method");  // form.method may be a field of that name
    if (method === "dialog") return;
    if (form.hasAttribute("data-scheme-form") && chooseScheme(event)) return;
    if (form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (method === "post" || form.matches("[hx-post], [hx-put], [hx-patch]")) {
      form.setAttribute("aria-busy", "true");
      setTimeout(release, 10000, form);  // the answer may be a download, which leaves the page
    }
    changed.delete(form);
  }, true);  // capturing: before htmx, which listens on the form itself
  on("reset", (event) => changed.delete(event.target));
  function release(form) { form?.removeAttribute("aria-busy"); }
  addEventListener("pageshow", () => $$("form[aria-busy]").forEach(release));
  addEventListener("beforeunload", (event) => {
    if ([...changed].some((form) => form.isConnected)) {
      event.preventDefault();
      event.returnValue = $("#unsaved-text")?.content.textContent || "";
    }
  });

  /* ---- Light and dark: kept in a cookie, so that the server draws the next page right ---- */
  function chooseScheme(event) {
    const button = event.submitter;
    if (!button || button.name !== "color_scheme") return false;
    event.preventDefault();
    const scheme = button.value;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `color_scheme=${scheme}; path=/; max-age=31536000; samesite=lax${secure}`;
    document.documentElement.dataset.scheme = scheme;
    const media = { light: "not all", dark: "screen" }[scheme]
      || "screen and (prefers-color-scheme: dark)";
    $$("link[data-dark], meta[data-dark]").forEach((each) => { each.media = media; });
    $$("button", event.target).forEach((each) => each.removeAttribute("aria-current"));
    button.setAttribute("aria-current", "true");
    button.closest("details").open = false;
    return true;
  }

  /* ---- Reference picker ---- */
  const options = (picker) => $$('[role="option"]', picker);
  function showList(list) {
    const input = $("[role=combobox]", list.parentElement);
    const open = list.childElementCount > 0 && document.activeElement === input;
    list.hidden = !open;
    input.setAttribute("aria-expanded", open);
    options(list).forEach((option, i) => { option.id = `${list.id}-${i}`; });
  }
  function closeList(picker) {
    const list = $(".picker-list", picker);
    list.replaceChildren();
    showList(list);
    $("[role=combobox]", picker).removeAttribute("aria-activedescendant");
  }
  function pick(picker, option) {
    if (option.dataset.url) { location.assign(option.dataset.url); return; }
    const hidden = $('input[type="hidden"]', picker);
    hidden.value = option.dataset.id;
    $("[role=combobox]", picker).value = option.dataset.label;
    closeList(picker);
    hidden.dispatchEvent(new Event("input", { bubbles: true }));
    hidden.dispatchEvent(new Event("change", { bubbles: true }));
  }
  on("input", (event) => {
    if (!event.target.matches("[data-picker] [role=combobox]")) return;
    const hidden = $('input[type="hidden"]', event.target.parentElement);
    if (hidden) hidden.value = "";
  });
  on("mousedown", (event) => {
    const option = event.target.closest("[data-picker] [role=option]");
    if (option) { event.preventDefault(); pick(option.closest("[data-picker]"), option); }
  });
  on("focusout", (event) => {
    const picker = event.target.closest?.("[data-picker]");
    if (picker && !picker.contains(event.relatedTarget)) closeList(picker);
  });
  on("keydown", (event) => {
    const picker = event.target.matches?.("[role=combobox]") && event.target.closest("[data-picker]");
    const all = picker ? options(picker) : [];
    if (!all.length || event.isComposing) return;
    const at = all.findIndex((option) => option.ariaSelected === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const next = at < 0 && step < 0 ? all.length - 1 : (at + step + all.length) % all.length;
      all.forEach((option, i) => option.setAttribute("aria-selected", i === next));
      all[next].scrollIntoView({ block: "nearest" });
      event.target.setAttribute("aria-activedescendant", all[next].id);
    }
    if (event.key === "Enter" && at >= 0) { event.preventDefault(); pick(picker, all[at]); }
  });

  /* ---- Toasts: bad news and what can be undone stay longer ---- */
  function watchToasts() {
    $$("[data-toast]:not([data-watched])").forEach((toast) => {
      toast.dataset.watched = "";
      const stay = toast.matches(".toast-bad") || $("form", toast) ? 12000 : 5000;
      let timer = setTimeout(() => toast.remove(), stay);
      toast.addEventListener("mouseenter", () => clearTimeout(timer));
      toast.addEventListener("focusin", () => clearTimeout(timer));
      toast.addEventListener("mouseleave", () => { timer = setTimeout(() => toast.remove(), stay); });
    });
  }

  /* ---- Once the page is there: what works with scripts alone is shown ---- */
  const SCRIPTED = "[data-select-all], [data-filter-add], [data-filter-add-group], [data-filter-remove-group], [data-resize], [data-grip], [data-up], [data-look], [data-camera]";
  function unhide(root) { $$(SCRIPTED, root).forEach((each) => { each.hidden = false; }); }
  on("dougong:added", (event) => unhide(event.target));
  on("htmx:after:swap", () => unhide(document));
  on("DOMContentLoaded", () => {
    unhide(document);
    $$(".list").forEach(countRows);
    $$("form[data-guard][data-changed]").forEach((form) => changed.add(form));
    $("[data-focus]")?.focus();
    watchToasts();
  });
})();
