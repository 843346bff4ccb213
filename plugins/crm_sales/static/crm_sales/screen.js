// A screen on the wall: it fills the display, and Escape leads back.
"use strict";

(() => {
  const main = document.querySelector("[data-leave]");

  document.querySelector("[data-fill]").addEventListener("click", () => {
    document.documentElement.requestFullscreen?.().catch(() => {});
  });

  document.addEventListener("keydown", (event) => {
    // While the display is filled, the browser takes Escape itself.
    if (event.key === "Escape" && !document.fullscreenElement) location.assign(main.dataset.leave);
  });
})();
