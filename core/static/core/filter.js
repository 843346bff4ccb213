/* The builder of filters: rows, and groups of rows, are added and taken away in place. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (event, handler) => document.addEventListener(event, handler);

  on("click", (event) => {
    const builder = event.target.closest("[data-filter]");
    if (!builder) return;
    const area = event.target.closest(".filter-group") || builder;
    const rows = $("[data-filter-rows]", area);
    const clone = (name) => $(`template[${name}]`, builder).content.cloneNode(true);
    const added = (parent, fragment) => {
      parent.append(fragment);
      window.htmx?.process(parent.lastElementChild);
      parent.dispatchEvent(new Event("dougong:added", { bubbles: true }));
      [...parent.lastElementChild.querySelectorAll("select")].at(-1).focus();
    };
    if (event.target.closest("[data-filter-add]")) added(rows, clone("data-filter-row"));
    if (event.target.closest("[data-filter-add-group]")) {
      added($("[data-filter-groups]", builder), clone("data-filter-group"));
    }
    if (event.target.closest("[data-filter-remove]")) {
      event.target.closest(".filter-row").remove();
      ($("select", rows) || $("[data-filter-add]", area)).focus();
    }
    if (event.target.closest("[data-filter-remove-group]")) {
      area.remove();
      $("[data-filter-add-group]", builder).focus();
    }
  });
})();
