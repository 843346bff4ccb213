/* Checking in: at a tap, and only then, the browser is asked where it is. What it says is put into
   the form, with the moment; nothing is sent before the form is. */
"use strict";
(() => {
  const $ = (selector, root) => root.querySelector(selector);
  const boxes = [...document.querySelectorAll("[data-check-in]")];
  for (const box of boxes) {
    $("[data-check-in-start]", box).hidden = false;
    show(box);
  }
  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("[data-check-in]");
    if (!box) return;
    if (event.target.closest("[data-check-in-start]")) ask(box);
    if (event.target.closest("[data-check-in-remove]")) fill(box, {});
  });
  function ask(box) {
    if (!navigator.geolocation || !isSecureContext) return tell(box, box.dataset.missing);
    const button = $("[data-check-in-start]", box);
    const done = (text) => { button.disabled = false; tell(box, text); };
    button.disabled = true;
    tell(box, box.dataset.asking);
    navigator.geolocation.getCurrentPosition(({ coords, timestamp }) => {
      done("");
      const moment = Math.min(timestamp, Date.now());  // some devices count from elsewhere
      fill(box, {
        latitude: coords.latitude.toFixed(6),
        longitude: coords.longitude.toFixed(6),
        accuracy: Math.min(Math.ceil(coords.accuracy), 1000000),
        checked_in_at: new Date(Math.abs(Date.now() - moment) < 6e4 ? moment : Date.now()).toISOString(),
      });
    }, ({ code }) => done(code === 1 ? box.dataset.refused : box.dataset.missing),
    { enableHighAccuracy: true, timeout: 20000, maximumAge: 0 });
  }
  function fill(box, place) {
    for (const input of box.querySelectorAll("input")) {
      if (input.name !== "opened_at") input.value = place[input.name] ?? "";
    }
    show(box);
    $("input", box).dispatchEvent(new Event("input", { bubbles: true }));
  }
  /* What is noted, also after an error or from a draft. */
  function show(box) {
    const [latitude, longitude, accuracy, moment] = ["latitude", "longitude", "accuracy", "checked_in_at"]
      .map((name) => $(`[name=${name}]`, box).value);
    const isThere = Boolean(latitude && longitude && moment);
    if (isThere) {
      const time = new Date(moment).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false, timeZone: box.dataset.zone });
      $("[data-check-in-time]", box).textContent = time;
      $("[data-check-in-place]", box).textContent = `${latitude}, ${longitude} (±${accuracy} m)`;
    }
    $("[data-check-in-noted]", box).hidden = !isThere;
    $("[data-check-in-start]", box).hidden = isThere;
  }
  function tell(box, text) {
    const output = $("[data-check-in-state]", box);
    output.textContent = text;
    output.hidden = !text;
  }
})();
