import { isLocal } from "./url.ts";

/**
 * On a static host that sends no isolation headers, a service worker adds them; the page is loaded once more, through it. The
 * local server sends them itself.
 */
export async function isolate(): Promise<void> {
  if (isLocal() || crossOriginIsolated || !isSecureContext || !("serviceWorker" in navigator)) return;
  const KEY = "mod.isolated";
  try {
    await navigator.serviceWorker.register("isolation.js");
    await navigator.serviceWorker.ready;
    // Once a session: a browser that does not isolate even so must not load for ever.
    if (sessionStorage.getItem(KEY) !== null) return;
    sessionStorage.setItem(KEY, "yes");
    location.reload();
  } catch {
    // Without it everything works but threads.
  }
}
