/* Comfort on the table of a list: order and width of columns, writing into cells, a look at a record
   beside the list. The list works without. Loaded after app.js and records.js. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, handler, options) => document.addEventListener(event, handler, options);
  const token = () => $('meta[name="csrf-token"]').content;

  /* ---- Order by several columns: the shift key adds one ---- */
  on("click", (event) => {
    const link = event.target.closest("a[data-also]");
    if (!link || !event.shiftKey) return;
    event.preventDefault();
    location.assign(link.dataset.also);
  });

  /* ---- Which columns, in which order ---- */
  let carried = null;
  on("click", (event) => {
    const button = event.target.closest("[data-up]");
    const item = button?.closest("li");
    if (!item?.previousElementSibling) return;
    item.previousElementSibling.before(item);
    button.focus();
  });
  on("pointerdown", (event) => {
    const grip = event.target.closest("[data-grip]");
    if (!grip) return;
    event.preventDefault();
    carried = grip.closest("li");
    carried.classList.add("carried");
  });
  on("pointermove", (event) => {
    if (!carried) return;
    const over = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-sortable] > li");
    if (!over || over === carried || over.parentElement !== carried.parentElement) return;
    const box = over.getBoundingClientRect();
    if (event.clientY < box.top + box.height / 2) over.before(carried);
    else over.after(carried);
  });
  on("pointerup", () => { carried?.classList.remove("carried"); carried = null; });

  /* ---- How wide columns are ---- */
  const columns = (table) => $$("th[data-column]", table);
  /* From here on the widths are given: each column's as it is now. */
  function fix(table) {
    if (table.matches(".table-sized")) return;
    const heads = $$("thead th", table);
    const widths = heads.map((head) => head.getBoundingClientRect().width);
    const group = document.createElement("colgroup");
    widths.forEach((width) => {
      const col = document.createElement("col");
      col.width = Math.round(width);
      group.append(col);
    });
    table.prepend(group);
    table.classList.add("table-sized");
    setTotal(table);
  }
  const colOf = (head) => $$("col", head.closest("table"))[head.cellIndex];
  function setTotal(table) {
    table.width = $$("col", table).reduce((sum, col) => sum + Number(col.width), 0);
  }
  function setWidth(head, width) {
    colOf(head).width = Math.min(Math.max(Math.round(width), 48), 800);
    setTotal(head.closest("table"));
    tellWidth(head);
  }
  function keep(table) {
    const body = new URLSearchParams(columns(table).map((head) => [head.dataset.column, colOf(head).width]));
    fetch(table.dataset.widths, { method: "POST", body, headers: { "X-CSRF-Token": token() } });
  }
  function tellWidth(head) {
    const handle = $("[data-resize]", head);
    handle?.setAttribute("aria-valuenow", Math.round(head.getBoundingClientRect().width));
  }
  on("DOMContentLoaded", () => $$("th[data-column]").forEach(tellWidth));
  let drawn = null;
  on("pointerdown", (event) => {
    const handle = event.target.closest("[data-resize]");
    if (!handle) return;
    event.preventDefault();
    const head = handle.closest("th");
    fix(head.closest("table"));
    drawn = { head, from: event.clientX, width: Number(colOf(head).width) };
  });
  on("pointermove", (event) => {
    if (drawn) setWidth(drawn.head, drawn.width + event.clientX - drawn.from);
  });
  on("pointerup", () => {
    if (drawn) keep(drawn.head.closest("table"));
    drawn = null;
  });
  on("keydown", (event) => {
    const handle = event.target.closest?.("[data-resize]");
    const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
    if (!handle || !step) return;
    event.preventDefault();
    const head = handle.closest("th");
    fix(head.closest("table"));
    setWidth(head, Number(colOf(head).width) + step);
    keep(head.closest("table"));
  });

  /* ---- Writing into a cell: the row comes back with a form in it ---- */
  const keyOf = (row) => $("[name=ids]", row)?.value || $("a.record-link", row)?.pathname.split("/").pop();
  const shown = (table) => columns(table).map((head) => head.dataset.column).join(",");
  const headOf = (cell) => cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
  function showRow(row, cell) {
    const table = row.closest("table");
    const query = new URLSearchParams({ columns: shown(table), ...(cell ? { cell } : {}) });
    const url = `${table.dataset.edit}/${keyOf(row)}/row?${query}`;
    return window.htmx.ajax("GET", url, { target: row, swap: "outerHTML" });
  }
  function write(cell) {
    const head = headOf(cell);
    const row = cell.closest("tr");
    if (!head.matches("[data-editable]") || $(".cell-form", row)) return;
    closeAll(row.closest("table"));
    showRow(row, head.dataset.column);
  }
  /* What was typed is kept, as if Enter had been pressed. */
  function closeAll(table) {
    $$(".cell-form", table).forEach((form) => { if (form.dataset.typed) form.requestSubmit(); else showRow(form.closest("tr")); });
  }
  on("input", (event) => {
    const form = event.target.closest(".cell-form");
    if (form) form.dataset.typed = "1";
  });
  /* Two clicks write into a cell; one opens the record, once it is clear that no second follows. */
  const CLICKS = 220;
  let opening = 0;
  const writable = (target) => {
    const cell = target.closest("[data-edit] tbody td");
    const isOwn = target.closest("a, button, input, select, label, textarea") || $(".cell-form", target.closest("tr") || target);
    return cell && !isOwn && headOf(cell).matches("[data-editable]") ? cell : null;
  };
  on("click", (event) => {
    const cell = writable(event.target);
    if (!cell) return;
    event.stopPropagation();  // before records.js, which opens it at once
    clearTimeout(opening);
    if (event.detail > 1 || event.ctrlKey || event.metaKey || event.shiftKey || String(getSelection())) return;
    opening = setTimeout(() => $("a.record-link", cell.closest("tr"))?.click(), CLICKS);
  }, true);
  on("dblclick", (event) => {
    const cell = writable(event.target);
    if (!cell) return;
    clearTimeout(opening);
    getSelection().empty();
    write(cell);
  });
  on("keydown", (event) => {
    const form = event.target.closest?.(".cell-form");
    if (form) return inCell(event, form);
    const row = event.target.closest?.("[data-edit] tbody tr");
    if (event.key !== "F2" || !row) return;
    event.preventDefault();
    const first = [...row.cells].find((cell) => headOf(cell).matches("[data-editable]"));
    if (first) write(first);
  });
  function inCell(event, form) {
    if (event.isComposing) return;
    const row = form.closest("tr");
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      showRow(row);
    } else if (event.key === "Tab") {
      const names = columns(row.closest("table")).filter((head) => head.matches("[data-editable]")).map((head) => head.dataset.column);
      const next = names.indexOf(form.elements.cell.value) + (event.shiftKey ? -1 : 1);
      if (next < 0 || next >= names.length) return;
      event.preventDefault();
      form.elements.then.value = names[next];
      form.requestSubmit();
    }
  }
  on("change", (event) => {  // what is picked is meant
    const form = event.target.closest(".cell-form");
    if (form && event.target.matches("select, input[type=checkbox], input[type=hidden]")) form.requestSubmit();
  });
  /* Not every swap is one of a row: people are offered in a cell and in the search of the page too. */
  let lastRow = null;
  let ticked = [];
  const ticks = () => $$("[data-edit] [name=ids]:checked").map((box) => box.value);
  on("htmx:before:swap", (event) => {
    ticked = ticks();
    const { ctx } = event.detail;
    const row = ctx.target?.closest?.("[data-edit] tbody tr");
    if (!row) return;
    $$(".row-error").forEach((each) => each.remove());
    if (ctx.response.raw.ok || /^\s*<tr/.test(ctx.text)) return;
    event.preventDefault();  // no row came: what was typed stays, with the reason below it
    const place = document.createElement("tr");
    const cell = place.insertCell();
    cell.colSpan = row.cells.length;
    cell.className = "error";
    cell.setAttribute("role", "alert");
    cell.textContent = new DOMParser().parseFromString(ctx.text, "text/html").querySelector("h1")?.textContent || ctx.response.raw.status;
    place.className = "row-error";
    row.after(place);
  });
  on("htmx:after:swap", () => {
    const lost = ticked.filter((key) => !ticks().includes(key));
    lost.map((key) => $(`[data-edit] [name=ids][value="${CSS.escape(key)}"]`)).forEach((box) => {
      if (!box) return;
      box.checked = true;
      box.dispatchEvent(new Event("change", { bubbles: true }));
    });
    const form = $(".table .cell-form:not([data-shown])");
    if (form) {
      form.dataset.shown = "1";
      const input = $("input:not([type=hidden]), select", form);
      input?.focus();
      input?.select?.();
      lastRow = keyOf(form.closest("tr"));
    } else if (lastRow && !$(".table .cell-form")) {
      $(`.table [name=ids][value="${CSS.escape(lastRow)}"]`)?.closest("tr").querySelector("a.record-link")?.focus();
      lastRow = null;
      $("tfoot[hx-get]")?.dispatchEvent(new Event("dougong:changed"));
    }
  });

  /* ---- A look at a record, beside the list ---- */
  const pane = () => $("#look");
  function look(row) {
    const key = row && keyOf(row);
    if (!key || !pane()) return;
    $$("tr.looked").forEach((each) => each.classList.remove("looked"));
    row.classList.add("looked");
    pane().hidden = false;
    pane().replaceChildren($("#look-skeleton").content.cloneNode(true));
    window.htmx.ajax("GET", `${pane().dataset.records}/${key}/look`, { target: "#look", swap: "innerHTML" });
  }
  function leave() {
    const row = $("tr.looked");
    pane().hidden = true;
    pane().replaceChildren();
    row?.classList.remove("looked");
    if (row) $("a.record-link", row)?.focus();
  }
  on("click", (event) => {
    if (event.target.closest("[data-look-close]")) leave();
  });
  on("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = event.target.closest?.(".table tbody tr");
    if (event.key === " " && event.target.matches?.("a.record-link") && row) {
      event.preventDefault();
      if (row.matches(".looked")) leave(); else look(row);
    } else if (event.key === "Escape" && pane() && !pane().hidden) {
      leave();
    }
  });
  on("focusin", (event) => {
    const row = event.target.closest(".table tbody tr");
    if (row && event.target.matches("a.record-link") && pane() && !pane().hidden && !row.matches(".looked")) look(row);
  });
  on("click", (event) => {
    const eye = event.target.closest("[data-look]");
    if (eye && eye.closest("tr")) { event.preventDefault(); event.stopPropagation(); look(eye.closest("tr")); }
  }, true);

  /* ---- What others write appears while one looks on; not while one is at work on the list ---- */
  const LIVE = 4000;
  /* A page that nobody uses asks no more: it would keep its session alive (docs/adr/0019). */
  const UNUSED = 600000;
  let used = Date.now();
  ["pointermove", "pointerdown", "keydown", "wheel", "touchstart"].forEach((event) => {
    on(event, () => { used = Date.now(); }, { passive: true });
  });
  const isBusy = () => document.hidden
    || $(".table :checked, .cell-form, [data-menu][open], dialog[open], #look:not([hidden])");
  async function renew() {
    const body = $("tbody[data-live]");
    if (!body || isBusy() || Date.now() - used > UNUSED) return;
    const address = new URL(body.dataset.live, location);
    address.searchParams.set("mark", body.dataset.mark);
    const answer = await fetch(address, { headers: { "HX-Request": "true" }, redirect: "error" }).catch(() => null);
    if (answer?.status !== 200 || isBusy()) return;
    const page = document.createElement("template");
    page.innerHTML = `<table>${await answer.text()}</table>`;  // made by the server, which escapes
    const rows = $("tbody", page.content);
    const known = new Set($$("tr", body).map(keyOf));
    const focused = keyOf(document.activeElement?.closest("tbody tr") || rows);
    $$("tr", rows).forEach((row) => row.classList.toggle("fresh", !known.has(keyOf(row))));
    body.replaceWith(rows);
    rows.dispatchEvent(new Event("dougong:added", { bubbles: true }));
    $$("tr", rows).find((row) => keyOf(row) === focused)?.querySelector("a.record-link")?.focus();
    $("tfoot[hx-get]")?.dispatchEvent(new Event("dougong:changed"));
  }
  setInterval(renew, LIVE);
})();
