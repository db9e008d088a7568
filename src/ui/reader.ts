import type { WorkerHandle } from "../runtime/executor.ts";
import { startWorker } from "../runtime/worker.ts";
import { Reading, type ReadingData } from "./reading.ts";

/** `Reading` as the server has it. */
export type Reader = Pick<Reading, "list" | "metrics" | "rowsSince" | "studies" | "study"> & {
  stop(): Promise<void>;
};

/** Node runs JavaScript alone: from TypeScript sources there is no thread. */
const MODULE = import.meta.url.endsWith(".ts") ? undefined : new URL("./readingWorker.js", import.meta.url);

/** Opens the folders on a thread of their own. */
export async function openReader(data: ReadingData): Promise<Reader> {
  if (MODULE === undefined) {
    const reading = new Reading(data);
    return Object.assign(reading, { stop: async () => {} });
  }
  const queue = new CallQueue(await startWorker(MODULE, data));
  return {
    list: () => queue.call("list"),
    metrics: (...args) => queue.call("metrics", ...args),
    rowsSince: (...args) => queue.call("rowsSince", ...args),
    studies: () => queue.call("studies"),
    study: (...args) => queue.call("study", ...args),
    stop: () => queue.stop(),
  };
}

/** A worker takes one call at a time. */
class CallQueue {
  readonly #worker: WorkerHandle;
  #last: Promise<unknown> = Promise.resolve();

  constructor(worker: WorkerHandle) {
    this.#worker = worker;
  }

  call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    const answer = this.#last.then(() => this.#worker.call(method, args));
    this.#last = answer.catch(() => {});
    return answer as Promise<T>;
  }

  stop(): Promise<void> {
    return this.#worker.stop();
  }
}
