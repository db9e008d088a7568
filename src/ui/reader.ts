import type { WorkerHandle } from "../runtime/executor.ts";
import { HAS_WORKERS, startWorker } from "../runtime/worker.ts";
import { Reading, type ReadingData } from "./reading.ts";

/** `Reading` as the server has it. */
export type Reader = Pick<Reading, "list" | "metrics" | "rowsSince" | "studies" | "study"> & {
  stop(): Promise<void>;
};

/** Opens the folders on a thread of their own. */
export async function openReader(data: ReadingData): Promise<Reader> {
  if (!HAS_WORKERS) {
    const reading = new Reading(data);
    return Object.assign(reading, { stop: async () => {} });
  }
  const queue = new CallQueue(await startWorker("ui/readingWorker", data));
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
