/* Cards of a board are moved with the mouse, or from the keyboard and on a phone through a dialogue of
   its columns: the form of the column is what is sent, either way. The board that comes back is put in
   the place of the old one. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, handler) => document.addEventListener(event, handler);
  const dialog = $("#move");
  const canMove = Boolean(dialog && $("[data-move-to]", dialog));
  const columnOf = (card) => card.closest(".board-column").dataset.column;
  let carried = null;

  function prepare() {
    $$("[data-move]").forEach((button) => { button.hidden = !canMove; });
    if (canMove) $$("[data-card]").forEach((card) => { card.draggable = true; });
  }
  function fill(form, card) {
    form.elements.back.value = form.elements.back.value.replace(/#.*/, "") + "#" + $("a", card).id;
    form.elements.ids.value = card.dataset.card;
    form.elements.version.value = card.dataset.version;
  }
  function move(card, key) {
    const form = $(`form[data-move-to="${CSS.escape(key)}"]`, dialog);
    if (!form || key === columnOf(card)) return;
    fill(form, card);
    form.requestSubmit();
  }
  function ask(card) {
    $$("[data-move-to]", dialog).forEach((form) => {
      fill(form, card);
      form.hidden = form.dataset.moveTo === columnOf(card);
    });
    dialog.showModal();
  }
  dialog?.addEventListener("submit", () => dialog.close());

  on("dragstart", (event) => {
    carried = event.target.closest?.("[data-card]");
    if (!carried) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", $("a", carried).href);
    carried.classList.add("carried");
    $(".board").classList.add("carrying");
  });
  on("dragend", () => {
    carried?.classList.remove("carried");
    $(".board")?.classList.remove("carrying");
    $$(".board .over").forEach((column) => column.classList.remove("over"));
    carried = null;
  });
  on("dragover", (event) => {
    const column = event.target.closest?.(".board [data-column]");
    $$(".board .over").forEach((each) => each !== column && each.classList.remove("over"));
    if (!carried || !column || column.dataset.column === columnOf(carried)) return;
    event.preventDefault();
    column.classList.add("over");
  });
  on("drop", (event) => {
    const column = event.target.closest?.(".board [data-column]");
    if (!carried || !column) return;
    event.preventDefault();
    move(carried, column.dataset.column);
  });
  on("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (button) ask(button.closest("[data-card]"));
  });
  on("keydown", (event) => {
    const card = event.target.closest?.("[data-card]");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!canMove || !card || !event.altKey || !step) return;
    const columns = $$(".board-column");
    let at = columns.indexOf(card.closest(".board-column"));
    do at += step; while (columns[at] && !columns[at].matches("[data-column]"));  // past what takes none
    event.preventDefault();
    if (columns[at]) move(card, columns[at].dataset.column);
  });

  /* Where one was looking stays where it is, and so does the focus. After a page in between the
     address names the card, and the browser goes to it. */
  let place = null;
  on("htmx:before:swap", () => {
    const board = $(".board");
    if (!board) return;
    const moved = $("form input[name=ids]", dialog)?.value;
    place = [board.scrollLeft, $$(".board-cards", board).map((list) => list.scrollTop), moved, board];
  });
  on("htmx:after:swap", () => {
    const board = $(".board");
    if (!board || !place || board === place[3]) return;  // something else of the page was swapped
    prepare();
    board.scrollLeft = place[0];
    $$(".board-cards", board).forEach((list, at) => { list.scrollTop = place[1][at] || 0; });
    $(`[data-card="${CSS.escape(place[2] || "")}"] a`)?.focus({ preventScroll: true });
    place = null;
  });
  prepare();
})();
