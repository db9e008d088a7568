// A static host that sends no isolation headers gets them from this service worker: without them a page has no shared memory,
// and WebAssembly no threads. It changes nothing else of an answer.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOwn = new URL(request.url).origin === self.location.origin;
  // A request that only the cache may answer cannot be sent on from here unless it is to this origin.
  if (!isOwn || (request.cache === "only-if-cached" && request.mode !== "same-origin")) return;
  event.respondWith(fetch(request).then(isolated));
});

function isolated(response) {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  const { status, statusText, body } = response;
  return new Response(body, { status, statusText, headers });
}
