/** Script of the service worker, beside the page: what the Vite plugin writes there. */
export const ISOLATION_SCRIPT = "isolation.js";
/** Kept for the tab: a page is loaded again once, not for ever. */
const TRIED = "mod: loaded again for isolation";

/**
 * Makes the page cross-origin isolated, which WebAssembly's threads need, also on a host that sends no such headers: by a service
 * worker that adds them. The page is loaded again once.
 *
 * @returns `isolated`: it is; `reloading`: it is being loaded again, begin nothing; `impossible`: no service worker here, or it
 * did not help: computations have one thread
 */
export async function ensureIsolated(): Promise<"isolated" | "reloading" | "impossible"> {
  if (crossOriginIsolated) return "isolated";
  if (!isSecureContext || navigator.serviceWorker === undefined) return "impossible";
  if (sessionStorage.getItem(TRIED) !== null) return "impossible";
  try {
    await navigator.serviceWorker.register(new URL(ISOLATION_SCRIPT, document.baseURI));
    await navigator.serviceWorker.ready;
  } catch {
    return "impossible";
  }
  sessionStorage.setItem(TRIED, "yes");
  location.reload();
  return "reloading";
}
