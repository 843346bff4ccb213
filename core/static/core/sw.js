/* Keeps files that never change under their address, and one page that says that the server is away.
   No page of anybody is ever kept, nor any answer of the programs' interface. */
"use strict";
const FILES = "files", OFFLINE = "offline";
const MOST = 150;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(begin()));
self.addEventListener("message", (event) => {
  if (event.data?.offline) event.waitUntil(keepOffline(new URL(event.data.offline, location.origin)));
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(navigate(event));
  else if (isFile(new URL(request.url))) event.respondWith(file(request));
});

async function begin() {
  await self.registration.navigationPreload?.enable();
  await self.clients.claim();
}

/* A page comes from the server, or not at all. */
async function navigate(event) {
  try {
    return (await event.preloadResponse) || (await fetch(event.request));
  } catch (error) {
    const cache = await caches.open(OFFLINE);
    const [key] = await cache.keys();
    const kept = key && await cache.match(key, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

/* Everybody's, and named by its content. */
function isFile({ origin, pathname, searchParams }) {
  if (origin !== location.origin) return false;
  return /^\/theme\/logo\//.test(pathname) || (searchParams.has("v") && /^\/(static|theme)\//.test(pathname));
}

async function file(request) {
  const cache = await caches.open(FILES);
  const kept = await cache.match(request, { ignoreVary: true });
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok && answer.headers.get("Cache-Control")?.includes("immutable")) {
    await replace(cache, request, answer.clone());
  }
  return answer;
}

async function replace(cache, request, answer) {
  await cache.delete(request, { ignoreSearch: true, ignoreVary: true });
  await cache.put(request, answer);
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - MOST)).map((key) => cache.delete(key)));
}

/* Asked for as nobody, with the styles that it needs; another look has another address. */
async function keepOffline(address) {
  if (address.origin !== location.origin || address.pathname !== "/offline") return;
  const cache = await caches.open(OFFLINE);
  if (await cache.match(address.href, { ignoreVary: true })) return;
  const answer = await fetch(address, { credentials: "omit" });
  if (!answer.ok) return;
  const text = await answer.clone().text();
  const named = [...text.matchAll(/(?:href|src)="([^"#]+)/g)];
  const files = named.map(([, path]) => new URL(path, location.origin)).filter(isFile);
  await Promise.all(files.map((each) => file(new Request(each))));
  for (const key of await cache.keys()) await cache.delete(key);
  await cache.put(address.href, answer);
}
