import type { Engine } from "./engine.ts";

/** An engine that the page's surroundings bring along, under this name: tests bring one that computes nothing. */
declare global {
  var modEngine: Engine | undefined;
}

/** The engine of this page; null where it was built without one. It is loaded only by the pages that need it. */
export async function loadEngine(): Promise<Engine | null> {
  return globalThis.modEngine ?? null;
}

export const NO_ENGINE =
  "This page was built without the engine that runs models in the browser. Models of local runs work through mod ui; to train, use mod train.";
