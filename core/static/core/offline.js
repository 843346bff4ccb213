/* Without a connection: sw.js keeps the styles, and one page that says so. */
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
})();
