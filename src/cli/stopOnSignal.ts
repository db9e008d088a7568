export interface StopSignal {
  readonly signal: AbortSignal;
  /** Gives Ctrl-C its usual meaning back. */
  release(): void;
}

/**
 * Ctrl-C, or an end asked for otherwise, aborts a signal, so that the work under way can be saved; a second one ends the process.
 *
 * @param tell called with the first one
 */
export function stopOnSignal(tell: () => void): StopSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    tell();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return {
    signal: controller.signal,
    release: () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
    },
  };
}
