/* A small editor over each box for formatted text. The box stays the input of the form: without this
   script it takes HTML by hand. What is kept here only looks like what the server keeps: it cleans
   again. The browser formats; inserting and undoing are our own, as its ways leave style attributes. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  /* ---- Cleaning: only these elements, no attribute but an address ---- */
  const KEPT = new Set("a b blockquote br code del em h2 h3 h4 hr i li ol p pre s strong sub sup table tbody td tfoot th thead tr u ul".split(" "));
  const DROPPED = new Set("head style script title meta link object iframe svg math template select textarea noscript".split(" "));
  const INSTEAD = { h1: "h2", h5: "h4", h6: "h4", strike: "s", section: "p", article: "p", div: "p", dt: "p", dd: "p" };
  const BLOCKS = "p, div, ul, ol, li, table, h1, h2, h3, h4, h5, h6, blockquote, pre, hr, section, article";
  const ADDRESS = /^(https?:\/\/|mailto:)/i;

  function copied(from, to) {
    for (const node of from.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) to.append(node.data.replace(/[ \t\r\n]+/g, " "));
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      const own = node.localName;
      if (DROPPED.has(own) || node.hasAttribute("data-mark")) continue;
      const name = INSTEAD[own] || own;
      const isHull = name === "p" && $(BLOCKS, node);
      if (own === "pre") {
        to.append(Object.assign(document.createElement("pre"), { textContent: node.textContent }));
      } else if (!KEPT.has(name) || isHull || (name === "a" && !ADDRESS.test(node.getAttribute("href") || ""))) {
        copied(node, to);
      } else {
        const made = document.createElement(name);
        if (name === "a") made.setAttribute("href", node.getAttribute("href"));
        copied(node, made);
        to.append(made);
      }
    }
    return to;
  }

  /* Text that stands alone is a paragraph; paragraphs without a word at either end are none. */
  function arranged(root) {
    let open = null;
    for (const node of [...root.childNodes]) {
      const isBlock = node.nodeType === Node.ELEMENT_NODE && node.matches(BLOCKS);
      if (isBlock) { open = null; continue; }
      if (!open && !node.textContent.trim()) { node.remove(); continue; }
      if (!open) { open = document.createElement("p"); node.before(open); }
      open.append(node);
    }
    const isEmpty = (node) => node && node.localName === "p" && !node.textContent.trim();
    while (isEmpty(root.lastElementChild)) root.lastElementChild.remove();
    while (isEmpty(root.firstElementChild)) root.firstElementChild.remove();
    return root;
  }

  /* From anywhere, word processors included: their lists are paragraphs that say so in a class. */
  function stripped(_tag, name, attributes) {
    const mark = /mso-list:\s*Ignore/i.test(attributes) ? " data-mark" : "";
    const kept = attributes.match(/\s(?:href|class)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)/gi) || [];
    return `<${name}${kept.join("")}${mark}>`;
  }
  function foreign(html) {
    const bare = html
      .replace(/<(style|script)\b[\s\S]*?<\/\1\s*>/gi, "")
      .replace(/<([a-z][\w:-]*)((?:[^>"']|"[^"]*"|'[^']*')*)>/gi, stripped);
    const page = new DOMParser().parseFromString(bare, "text/html");
    $$("p[class*=MsoList]", page).forEach((paragraph) => {
      const sign = $("[data-mark]", paragraph)?.textContent.trim() || "";
      const kind = /^[0-9a-z]{1,3}[.)]/i.test(sign) ? "ol" : "ul";
      const item = page.createElement("li");
      const before = paragraph.previousElementSibling;
      const list = before?.localName === kind && before.hasAttribute("data-made") ? before : page.createElement(kind);
      list.setAttribute("data-made", "");
      item.append(...paragraph.childNodes);
      list.append(item);
      paragraph.replaceWith(...(list === before ? [] : [list]));
    });
    return copied(page.body, document.createElement("div"));
  }

  /* ---- One editor ---- */
  function enhance(root) {
    const source = $("textarea", root);
    if (root.dataset.ready !== undefined || !source) return;
    root.dataset.ready = "";
    const [tools, links] = [$(".rich-tools", root), $(".rich-link", root)];
    const editor = document.createElement("div");
    const label = document.getElementById(`label-${source.name}`);
    Object.entries({
      class: "input rich-text", contenteditable: "true", role: "textbox", "aria-multiline": "true", id: source.id,
      "aria-invalid": source.getAttribute("aria-invalid"), "aria-describedby": source.getAttribute("aria-describedby"),
      "aria-required": source.required ? "true" : null,
      [label ? "aria-labelledby" : "aria-label"]: label ? label.id : root.dataset.label,
    }).forEach(([name, value]) => { if (value) editor.setAttribute(name, value); });
    source.removeAttribute("id");
    source.removeAttribute("aria-invalid");
    source.required = false;
    source.hidden = true;
    tools.hidden = false;
    editor.append(...arranged(foreign(source.value)).childNodes);
    if (!editor.firstChild) editor.append(Object.assign(document.createElement("p"), { innerHTML: "<br>" }));
    source.before(editor);
    label?.addEventListener("click", () => editor.focus());

    const run = (command, value = null) => { editor.focus(); document.execCommand(command, false, value); };
    const block = () => document.queryCommandValue("formatBlock");
    const inside = () => { const { anchorNode } = getSelection(); return anchorNode && editor.contains(anchorNode); };
    const anchor = () => inside() && (getSelection().anchorNode.parentElement.closest("a") || null);
    const save = () => { source.value = arranged(copied(editor, document.createElement("div"))).innerHTML.replace(/&nbsp;/g, " "); };

    editor.addEventListener("input", save);
    editor.addEventListener("focus", () => {
      document.execCommand("styleWithCSS", false, false);
      document.execCommand("defaultParagraphSeparator", false, "p");
    });
    function pasted(data) {
      const holder = document.createElement("div");
      const html = data.getData("text/html");
      if (html) return arranged(foreign(html));
      data.getData("text/plain").split(/\r?\n/).filter((line) => line.trim()).forEach((line) => {
        holder.append(Object.assign(document.createElement("p"), { textContent: line }));
      });
      return arranged(holder);
    }
    function insert(holder) {
      const selection = getSelection();
      const nodes = [...holder.childNodes];
      if (!nodes.length || !inside()) return;
      const at = selection.getRangeAt(0);
      at.deleteContents();
      let top = at.startContainer;
      while (top !== editor && top.parentNode !== editor) top = top.parentNode;
      let last = nodes.at(-1);
      if (nodes.length === 1 && nodes[0].localName === "p") {
        last = nodes[0].lastChild;
        const words = new DocumentFragment();
        words.append(...nodes[0].childNodes);
        at.insertNode(words);
      } else if (top === editor) {
        nodes.reverse().forEach((node) => at.insertNode(node));
      } else {
        const after = at.cloneRange();
        after.setEndAfter(top);
        const rest = after.extractContents();
        top.after(...nodes, ...(rest.textContent.trim() ? [rest] : []));
        if (!top.textContent.trim()) top.remove();
      }
      selection.selectAllChildren(last.nodeType === Node.TEXT_NODE ? last.parentNode : last);
      if (last.nodeType === Node.TEXT_NODE) selection.setBaseAndExtent(last, last.length, last, last.length);
      else selection.collapseToEnd();
      editor.dispatchEvent(new Event("input", { bubbles: true }));
    }
    editor.addEventListener("paste", (event) => { event.preventDefault(); insert(pasted(event.clipboardData)); });

    /* Undo: states of the text, one for each pause in typing, with the place of the caret. */
    const states = [{ html: editor.innerHTML, at: 0 }];
    let now = 0, typedAt = 0;
    const caret = () => {
      if (!inside()) return 0;
      const before = document.createRange();
      before.setStart(editor, 0);
      before.setEnd(getSelection().focusNode, getSelection().focusOffset);
      return before.toString().length;
    };
    function remember(event) {
      const goesOn = now > 0 && /^(insertText|deleteContent|insertComposition)/.test(event.inputType || "") && Date.now() - typedAt < 800;
      typedAt = Date.now();
      if (!goesOn) now += 1;
      states.splice(now, states.length, { html: copied(editor, document.createElement("div")).innerHTML, at: caret() });
      if (states.length > 200) { states.shift(); now -= 1; }
    }
    function travel(step) {
      if (!states[now + step]) return;
      now += step;
      typedAt = 0;
      editor.innerHTML = states[now].html;
      if (!editor.firstChild) editor.append(Object.assign(document.createElement("p"), { innerHTML: "<br>" }));
      editor.focus();
      let left = states[now].at;
      const words = document.createTreeWalker(editor, NodeFilter.SHOW_TEXT);
      while (words.nextNode() && left > words.currentNode.length) left -= words.currentNode.length;
      const { currentNode: node } = words;
      if (node.nodeType === Node.TEXT_NODE) getSelection().collapse(node, Math.min(left, node.length));
      save();
      source.dispatchEvent(new Event("input", { bubbles: true }));
    }
    editor.addEventListener("input", remember);
    editor.addEventListener("beforeinput", (event) => {
      const step = { historyUndo: -1, historyRedo: 1 }[event.inputType];
      if (step) { event.preventDefault(); travel(step); }
      if (event.inputType !== "insertFromDrop" || !event.dataTransfer) return;
      event.preventDefault();
      const [range] = event.getTargetRanges();
      if (range) getSelection().setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
      insert(pasted(event.dataTransfer));
    });

    /* The bar: one stop of the Tab key, arrows within. */
    const commands = {
      h2: () => run("formatBlock", block() === "h2" ? "p" : "h2"),
      h3: () => run("formatBlock", block() === "h3" ? "p" : "h3"),
      blockquote: () => run("formatBlock", block() === "blockquote" ? "p" : "blockquote"),
      plain: () => { run("removeFormat"); run("unlink"); run("formatBlock", "p"); },
      link: askForLink,
      undo: () => travel(-1),
      redo: () => travel(1),
    };
    tools.addEventListener("mousedown", (event) => event.preventDefault());  // the selection stays
    tools.addEventListener("click", (event) => {
      const { command } = event.target.closest("[data-command]")?.dataset || {};
      if (command) { (commands[command] || (() => run(command)))(); show(); }
    });
    tools.addEventListener("keydown", (event) => {
      const buttons = $$("button", tools);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") editor.focus();
      if (!step) return;
      event.preventDefault();
      const next = buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length];
      buttons.forEach((each) => { each.tabIndex = each === next ? 0 : -1; });
      next.focus();
    });
    function show() {
      if (!inside()) return;
      $$("[data-command]", tools).forEach((button) => {
        const { command } = button.dataset;
        const pressed = command === "link" ? !!anchor()
          : commands[command] ? block() === command
          : /^(bold|italic|insert)/.test(command) && document.queryCommandState(command);
        if (!/^(undo|redo|plain)$/.test(command)) button.setAttribute("aria-pressed", pressed);
      });
    }
    document.addEventListener("selectionchange", show);
    editor.addEventListener("keydown", (event) => {
      const key = event.ctrlKey || event.metaKey ? event.key.toLowerCase() : "";
      const step = key === "y" || (key === "z" && event.shiftKey) ? 1 : key === "z" ? -1 : 0;
      if (step) { event.preventDefault(); travel(step); }  // the browser has nothing to undo of ours
      if (key === "k") { event.preventDefault(); askForLink(); }
      if (event.altKey && event.key === "F10") { event.preventDefault(); $("[tabindex='0']", tools).focus(); }
    });

    /* A link: its address is asked for in a line below the bar. */
    const address = $("input", links);
    let range = null;
    function askForLink() {
      if (!inside()) editor.focus();
      const selection = getSelection();
      range = selection.rangeCount ? selection.getRangeAt(0).cloneRange() : null;
      address.value = anchor()?.getAttribute("href") || "";
      address.removeAttribute("aria-invalid");
      links.hidden = false;
      address.focus();
    }
    function back() {
      links.hidden = true;
      editor.focus();
      if (!range) return;
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      if (getSelection().isCollapsed && anchor()) getSelection().selectAllChildren(anchor());
    }
    function setLink() {
      const typed = address.value.trim();
      const url = !typed || ADDRESS.test(typed) ? typed : typed.includes("@") ? `mailto:${typed}` : `https://${typed}`;
      if (!url || /\s/.test(url) || /^https:\/\/[a-z]+:/i.test(url)) { address.setAttribute("aria-invalid", "true"); return; }
      back();
      if (getSelection().isCollapsed) {
        const holder = document.createElement("div");
        holder.append(Object.assign(document.createElement("a"), { href: url, textContent: typed }));
        insert(arranged(holder));
      } else run("createLink", url);
    }
    links.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === address) { event.preventDefault(); setLink(); }
      if (event.key === "Escape") { event.stopPropagation(); back(); }
    });
    $("[data-link-set]", links).addEventListener("click", setLink);
    $("[data-link-remove]", links).addEventListener("click", () => { back(); run("unlink"); });
    address.addEventListener("input", (event) => event.stopPropagation());  // not a change of the form
  }

  const enhanceAll = (root) => $$("[data-rich]", root).forEach(enhance);
  document.addEventListener("DOMContentLoaded", () => enhanceAll(document));
  document.addEventListener("dougong:added", (event) => enhanceAll(event.target));
  document.addEventListener("htmx:after:swap", () => enhanceAll(document));
})();
