/* A block copied from a spreadsheet, pasted while a cell of a list is written into, fills the cells from there
   on to the right and downwards: the server says what that would change, and is asked to do it. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (event, handler) => document.addEventListener(event, handler);
  const dialog = $("#paste");
  if (!dialog) return;  // nothing is listed

  /* Rows of cells as spreadsheets copy them: tabs and line ends, with quotes around what holds either. */
  function blockOf(text) {
    const rows = [[]];
    for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"(?=[\t\r\n]|$)|([^\t\r\n]*))(\t|\r\n|\r|\n|$)/g)) {
      rows[rows.length - 1].push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
      if (end === "") break;
      if (end !== "\t") rows.push([]);
    }
    const last = rows[rows.length - 1];
    if (rows.length > 1 && last.length === 1 && last[0] === "") rows.pop();  // the end of the last line
    return rows;
  }
  /* What is sent: the rows from this one on, and of their cells those that can be written. */
  function meant(cell, block) {
    const body = new URLSearchParams({ back: location.pathname + location.search });
    const table = cell.closest("table");
    const all = [...table.tBodies[0].querySelectorAll("tr[data-record]")];
    const rows = all.slice(all.indexOf(cell.closest("tr")));
    const heads = [...table.tHead.rows[0].cells].slice(cell.cellIndex);
    let leftOut = 0;
    block.forEach((texts, i) => {
      if (rows[i]) {
        body.append("ids", rows[i].dataset.record);
        body.append("versions", rows[i].dataset.version);
      }
      texts.forEach((text, j) => {
        if (!rows[i] || !heads[j]?.matches("[data-editable]")) { leftOut += 1; return; }
        body.append("cells", `${i}:${heads[j].dataset.column}`);
        body.append("texts", text);
      });
    });
    body.append("left_out", leftOut);
    return body;
  }
  on("paste", async (event) => {
    const cell = event.target.closest?.(".cell-form")?.closest("td");
    const block = cell ? blockOf(event.clipboardData.getData("text/plain")) : [];
    if (block.length < 2 && (block[0] || []).length < 2) return;  // one value is pasted as ever
    event.preventDefault();
    const headers = { "X-CSRF-Token": $('meta[name="csrf-token"]').content };
    const url = `${cell.closest("table").dataset.edit}/paste`;
    const answer = await fetch(url, { method: "POST", body: meant(cell, block), headers, redirect: "error" }).catch(() => null);
    if (!answer) return;
    const body = $(".dialog-body", dialog);
    const text = await answer.text();
    if (answer.ok || answer.status === 422) body.innerHTML = text;  // made by the server, which escapes
    else body.textContent = new DOMParser().parseFromString(text, "text/html").querySelector("h1")?.textContent || answer.status;
    dialog.showModal();
    $(".dialog-actions button:last-child", body)?.focus();
  });
  /* What is being typed into the cell gives way to what is pasted. */
  dialog.addEventListener("submit", (event) => {
    if (event.target.matches("[data-paste-confirm]")) document.querySelectorAll(".cell-form").forEach((form) => form.reset());
  });
})();
