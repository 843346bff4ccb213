/* Comfort on forms: files are sent as they are chosen, drafts are kept, the first error is at hand.
   Each form works without. Loaded after app.js. */
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, handler) => document.addEventListener(event, handler);
  const token = () => $('meta[name="csrf-token"]').content;

  /* ---- Files: sent when chosen, so that neither an error nor a closed tab loses them ---- */
  const sending = new Set();
  on("change", ({ target }) => {
    if (target.matches?.("[data-camera-for]")) return choose(target);
    const box = target.matches?.('input[type="file"]') && target.closest("[data-upload]");
    if (box) send(box, target, target.files[0]);
  });
  /* A picture taken now goes into the input beside, as if it had been chosen there. */
  function choose(camera) {
    const input = camera.form.elements[camera.dataset.cameraFor];
    const all = new DataTransfer();
    [...(input.multiple ? input.files : []), ...camera.files].forEach((file) => all.items.add(file));
    input.files = all.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  function send(box, input, file) {
    const progress = $("progress", box);
    tell(box, "");
    if (!file || !input.form.dataset.entity) return;
    if (file.size > Number(box.dataset.limit)) {
      input.value = "";
      tell(box, box.dataset.tooLarge);
      return;
    }
    const body = new FormData();
    body.append("entity", input.form.dataset.entity);
    body.append("input", input.name);
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.upload.onprogress = (event) => { progress.value = event.loaded / event.total; };
    request.onloadend = () => {
      sending.delete(request);
      progress.hidden = true;
      const answer = answerOf(request);
      if (request.status === 201) {
        keep(box, input, answer);
      } else if (request.status) {
        if (answer.message) input.value = "";
        tell(box, answer.message || box.dataset.failed);
      }  // without an answer the file stays chosen, and goes with the form
    };
    progress.hidden = false;
    progress.value = 0;
    sending.add(request);
    request.open("POST", box.dataset.upload);
    request.setRequestHeader("X-CSRF-Token", token());
    request.send(body);
  }
  function answerOf(request) {
    try { return JSON.parse(request.responseText); } catch { return {}; }
  }
  function keep(box, input, { id, name }) {
    const kept = $('input[type="hidden"]', box);
    const picture = $(".upload-picture", box);
    kept.value = id;
    input.value = "";
    input.required = false;
    input.removeAttribute("aria-invalid");
    $("[data-upload-name]", box).textContent = name;
    $(".upload-chosen", box).hidden = false;
    box.classList.add("upload-kept");
    $('[type="checkbox"]', box).checked = false;
    if (picture) picture.src = `${box.dataset.upload}/${id}`;
    kept.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function tell(box, text) {
    const output = $("[data-upload-error]", box);
    output.textContent = text;
    output.hidden = !text;
  }

  /* ---- Fields that follow others: what applies and is required is asked of the server ---- */
  let following, asked = 0;
  function follow({ target }) {
    const form = target.closest?.("form[data-follow]");
    if (!form || target.matches("[type=file]")) return;
    clearTimeout(following);
    following = setTimeout(askAgain, 250, form);
  }
  on("input", follow);
  on("change", follow);
  async function askAgain(form) {
    const mine = ++asked;
    const texts = [...new FormData(form)].filter(([, value]) => typeof value === "string");
    const body = new URLSearchParams([...texts, ["record", form.dataset.record]]);
    try {
      const answer = await fetch(form.dataset.follow, { method: "POST", body, headers: { "X-CSRF-Token": token() } });
      if (answer.ok && mine === asked) arrange(form, (await answer.json()).fields);
    } catch { /* away from the network for a moment: the next key asks again */ }
  }
  function arrange(form, fields) {
    const told = { shown: [], gone: [], required: [] };
    for (const box of $$("[data-follows]", form)) {
      const state = fields[box.dataset.follows];
      if (!state) continue;
      const wasOff = box.disabled;
      if (!state.applies && !wasOff) leave(form, box);
      box.disabled = box.hidden = !state.applies;
      if (wasOff === state.applies) told[state.applies ? "shown" : "gone"].push(box.dataset.label);
      if (mark(form, box, state.required) && state.applies && !wasOff) told.required.push(box.dataset.label);
    }
    const output = $("[data-follow-state]", form);
    output.textContent = Object.entries(told).filter(([, labels]) => labels.length)
      .map(([kind, labels]) => output.dataset[kind].replace("%(fields)s", labels.join(output.dataset.joint))).join(" ");
  }
  function leave(form, box) {
    if (!box.contains(document.activeElement)) return;
    const inputs = $$("input:not([type=hidden]), select, textarea, button", form)
      .filter((each) => !box.contains(each) && each.offsetParent && !each.matches(":disabled"));
    const after = inputs.find((each) => box.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
    (after || inputs.at(-1))?.focus();
  }
  function mark(form, box, required) {
    const label = $(".label", box);
    const star = $(".required", label || box);
    $$(`[name="${box.dataset.follows}"]:not([type=hidden], [type=checkbox])`, box)
      .forEach((input) => { input.required = required; });
    if (!label || Boolean(star) === required) return false;
    if (star) { star.remove(); return false; }
    const made = Object.assign(document.createElement("span"), { className: "required", textContent: "*" });
    made.title = $("[data-follow-state]", form).dataset.mark;
    made.setAttribute("aria-hidden", "true");
    label.append(made);
    return true;
  }

  /* ---- Drafts: kept a moment after the last key, and when the page is put aside ---- */
  let form, timer, waiting, left = false;
  function touched(event) {
    if (!form || left || !form.contains(event.target)) return;
    clearTimeout(timer);
    timer = setTimeout(keepDraft, 1500);
    waiting ??= setTimeout(keepDraft, 10000);
  }
  on("input", touched);
  on("change", touched);
  on("visibilitychange", () => { if (document.hidden && timer) keepDraft(true); });
  async function keepDraft(leaving) {
    clearTimeout(timer);
    clearTimeout(waiting);
    timer = waiting = undefined;
    const texts = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && name !== "csrf_token");
    const body = new URLSearchParams([...texts, ["record", form.dataset.record]]);
    const keepalive = leaving === true && String(body).length < 60000;
    const headers = { "X-CSRF-Token": token() };
    try {
      const answer = await fetch(form.dataset.draft, { method: "POST", body, headers, keepalive });
      if (left) return;
      tellEnded(answer.status === 401);
      if (!answer.ok && answer.status !== 401) return;
      const { at, token: renewed } = await answer.json();
      if (renewed) renew(renewed);
      const output = $("[data-draft-state]", form);
      if (at) output.textContent = `${output.dataset.kept} ${at}`;
      output.hidden = !output.textContent;
    } catch { /* away from the network for a moment: the next key tries again */ }
  }
  /* Somebody has signed in again in another tab: this one goes on with the new session. */
  function renew(renewed) {
    $('meta[name="csrf-token"]').content = renewed;
    $$('[name="csrf_token"]').forEach((input) => { input.value = renewed; });
  }
  function tellEnded(ended) {
    const notice = $("[data-session-ended]", form);
    const isNew = ended && notice.hidden;
    notice.hidden = !ended;
    if (isNew) document.activeElement.scrollIntoView({ block: "center" });  // it may cover what is typed
  }
  /* What htmx asks after the session has ended would lead away from what is typed: it is told instead. */
  on("htmx:before:response", (event) => {
    if (!form || event.detail.ctx.response.status !== 401) return;
    event.preventDefault();
    keepDraft();
  });
  on("submit", (event) => {
    if (event.target !== form) return;
    left = true;
    clearTimeout(timer);
    clearTimeout(waiting);
    sending.forEach((request) => request.abort());
  });
  addEventListener("pageshow", () => { left = false; });

  /* ---- Once the page is there ---- */
  on("DOMContentLoaded", () => {
    $$(".upload:has(.upload-chosen:not([hidden]))").forEach((box) => box.classList.add("upload-kept"));
    form = $("form[data-draft]");
    if (form?.hasAttribute("data-changed")) timer = setTimeout(keepDraft, 1500);
    const wrong = $('.form [aria-invalid="true"], .form [data-wrong]');
    const first = wrong?.matches("[data-wrong]") ? $("input:not([type=hidden]), select, textarea", wrong) || wrong : wrong;
    first?.focus();
  });
})();
