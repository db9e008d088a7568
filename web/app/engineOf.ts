import type { Engine } from "./engine.ts";

let loading: Promise<Engine> | undefined;

/** The engine of this page, which is loaded when a page first needs it. */
export function loadEngine(): Promise<Engine> {
  loading ??= import("./browserEngine.ts").then(
    ({ BrowserEngine }) => new BrowserEngine(),
    (cause: Error) => {
      loading = undefined;
      throw new Error(`The engine must load from this site, got: ${cause.message}; reload the page.`, { cause });
    },
  );
  return loading;
}
