/* Without a connection: sw.js keeps the styles, and one page that says so; a form that is sent waits. */
"use strict";
(() => {
  const page = document.querySelector('meta[name="offline-page"]')?.content;
  const worker = navigator.serviceWorker;
  if (page && worker) {
    worker.register("/sw.js").then(() => worker.ready).then(({ active }) => {
      active.postMessage({ offline: page });
    }).catch(() => {});  // forbidden by the browser: everything else works
  }
  if (document.querySelector("[data-offline]")) addEventListener("online", () => location.reload());

  /* ---- A form waits in its page: nothing of it is kept on the device ---- */
  let waiting;
  addEventListener("submit", (event) => {
    if (navigator.onLine || !event.target.matches("form[data-guard]")) return;
    event.preventDefault();
    event.stopPropagation();
    waiting?.notice.remove();
    const notice = document.createElement("div");
    notice.setAttribute("role", "status");
    (event.target.querySelector(".form-actions") ?? event.target).before(notice);
    notice.append(document.getElementById("waiting").content.cloneNode(true));
    notice.scrollIntoView({ block: "center" });
    waiting = { form: event.target, button: event.submitter, notice };
  }, true);
  addEventListener("online", () => {
    if (!waiting) return;
    const { form, button, notice } = waiting;
    waiting = undefined;
    notice.remove();
    form.requestSubmit(button);
  });
})();
