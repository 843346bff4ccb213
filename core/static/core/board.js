/* Cards of a board are moved with the mouse, or from the keyboard and on a phone through a dialogue of
   its columns: the form of the column is what is sent, either way. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const board = $("[data-board]");
  const dialog = $("#move");
  if (!board || !$("form", dialog)) {
    $$("[data-move]").forEach((button) => button.remove());
    return;
  }
  const place = "board-place";
  let carried = null;

  const columnOf = (card) => card.closest(".board-column").dataset.column;
  function fill(form, card) {
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
    $$("form", dialog).forEach((form) => {
      fill(form, card);
      form.hidden = form.dataset.moveTo === columnOf(card);
    });
    dialog.showModal();
  }
  dialog.addEventListener("submit", () => {
    const columns = $$(".board-cards", board).map((list) => list.scrollTop);
    sessionStorage.setItem(place, JSON.stringify([location.pathname, board.scrollLeft, columns]));
  });

  $$("[data-card]", board).forEach((card) => { card.draggable = true; });
  board.addEventListener("dragstart", (event) => {
    carried = event.target.closest("[data-card]");
    if (!carried) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", $("a", carried).href);
    carried.classList.add("carried");
    board.classList.add("carrying");
  });
  board.addEventListener("dragend", () => {
    carried?.classList.remove("carried");
    board.classList.remove("carrying");
    $$(".over", board).forEach((column) => column.classList.remove("over"));
    carried = null;
  });
  board.addEventListener("dragover", (event) => {
    const column = event.target.closest("[data-column]");
    $$(".over", board).forEach((each) => each !== column && each.classList.remove("over"));
    if (!carried || !column || column.dataset.column === columnOf(carried)) return;
    event.preventDefault();
    column.classList.add("over");
  });
  board.addEventListener("drop", (event) => {
    const column = event.target.closest("[data-column]");
    if (!carried || !column) return;
    event.preventDefault();
    move(carried, column.dataset.column);
  });
  board.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (button) ask(button.closest("[data-card]"));
  });
  board.addEventListener("keydown", (event) => {
    const card = event.target.closest("[data-card]");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!card || !event.altKey || !step) return;
    const targets = $$("[data-column]", board);
    const next = targets[targets.indexOf(card.closest("[data-column]")) + step];
    event.preventDefault();
    if (next) move(card, next.dataset.column);
  });

  const [path, left, columns] = JSON.parse(sessionStorage.getItem(place) || "[]");
  if (path === location.pathname) {
    board.scrollLeft = left;
    $$(".board-cards", board).forEach((list, at) => { list.scrollTop = columns[at] || 0; });
    sessionStorage.removeItem(place);
  }
})();
