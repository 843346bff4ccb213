/* Entries of a calendar are put on another day with the mouse, or from the keyboard and on a phone through
   a dialogue; one form is what is sent, either way. The month that comes back takes the old one's place. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, handler) => document.addEventListener(event, handler);
  const dialog = $("#move");
  if (!dialog) return;  // nothing is shown
  const form = $("form[hx-post]", dialog);
  const dayOf = (entry) => entry.closest("[data-day]").dataset.day;
  let carried = null;

  function prepare() {
    const drags = matchMedia("(hover: hover) and (min-width: 641px)").matches;
    $$("[data-move]").forEach((button) => { button.hidden = false; });
    $$("[data-entry]").forEach((entry) => { entry.draggable = drags; });
  }
  function fill(entry, day) {
    form.elements.ids.value = entry.dataset.entry;
    form.elements.version.value = entry.dataset.version;
    form.elements.to.value = day;
  }
  function move(entry, day) {
    if (!day || day === dayOf(entry)) return;
    fill(entry, day);
    form.requestSubmit();
  }
  dialog.addEventListener("submit", () => dialog.close());
  on("click", (event) => {
    const entry = event.target.closest("[data-move]")?.closest("[data-entry]");
    if (!entry) return;
    fill(entry, dayOf(entry));
    $("[data-move-name]", dialog).textContent = $("a", entry).title;
    dialog.showModal();
    form.elements.to.focus();
  });

  on("dragstart", (event) => {
    const entry = event.target.closest?.("[data-entry]");
    if (!entry?.draggable) return;
    carried = entry;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", $("a", carried).href);
    carried.classList.add("carried");
  });
  on("dragend", () => {
    carried?.classList.remove("carried");
    $$(".calendar .over").forEach((day) => day.classList.remove("over"));
    carried = null;
  });
  on("dragover", (event) => {
    const day = event.target.closest?.("[data-day]");
    $$(".calendar .over").forEach((each) => each !== day && each.classList.remove("over"));
    if (!carried || !day || day.dataset.day === dayOf(carried)) return;
    event.preventDefault();
    day.classList.add("over");
  });
  on("drop", (event) => {
    const day = event.target.closest?.("[data-day]");
    if (!carried || !day) return;
    event.preventDefault();
    move(carried, day.dataset.day);
  });
  on("keydown", (event) => {
    const entry = event.target.closest?.("[data-entry]");
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
    if (!entry || !event.altKey || !step) return;
    event.preventDefault();
    const day = new Date(`${dayOf(entry)}T12:00:00Z`);
    day.setUTCDate(day.getUTCDate() + step);
    move(entry, day.toISOString().slice(0, 10));
  });

  /* Where one was looking stays where it is, and so does the focus. */
  let place = null;
  on("htmx:before:swap", () => {
    const month = $(".calendar-wrap");
    place = [month.scrollTop, form.elements.ids.value, month];
  });
  on("htmx:after:swap", () => {
    const month = $(".calendar-wrap");
    if (!place || !month || month === place[2]) return;  // something else of the page was swapped
    prepare();
    month.scrollTop = place[0];
    ($(`[data-entry="${CSS.escape(place[1])}"] a`) || month).focus({ preventScroll: true });
    place = null;
  });
  prepare();
})();
