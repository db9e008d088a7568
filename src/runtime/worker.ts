import { parentPort, Worker, workerData } from "node:worker_threads";
import type { WorkerHandle } from "./executor.ts";

interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

type Answer = { readonly result: unknown } | { readonly error: unknown };

/** The other end of `startWorker`, in the module it names: makes an object from its data, then answers calls of its methods. */
export async function serve<Data>(start: (data: Data) => Promise<object>): Promise<void> {
  const port = parentPort!;
  const answer = async (work: () => Promise<unknown>) => {
    let reply: Answer;
    try {
      reply = { result: await work() };
    } catch (error) {
      reply = { error };
    }
    port.postMessage(reply);
  };
  let served: object = {};
  await answer(async () => {
    served = await start(workerData);
  });
  port.on("message", ({ method, args }: Call) =>
    answer(() => (served as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[method]!(...args)),
  );
}

/** Starts a module that calls `serve`, and waits until it is ready. */
export async function startWorker(module: URL, data: unknown): Promise<WorkerHandle> {
  const handle = new NodeWorker(new Worker(module, { workerData: data }));
  await handle.answered();
  return handle;
}

class NodeWorker implements WorkerHandle {
  readonly #worker: Worker;
  #pending: { resolve(result: unknown): void; reject(error: unknown): void } | undefined;
  #failure: Error | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (answer: Answer) => this.#settle(answer));
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", (code) => this.#fail(new Error(`runtime: a worker must stay, got exit code ${code}`)));
    worker.unref();
  }

  call(method: string, args: readonly unknown[], moved: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const answered = this.answered();
    this.#worker.postMessage({ method, args } satisfies Call, [...moved]);
    return answered;
  }

  /** The next answer. While one is awaited, the worker keeps the process alive. */
  answered(): Promise<unknown> {
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  async stop(): Promise<void> {
    this.#failure = new Error("runtime: a worker must run to be called, got one that was stopped");
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    this.#worker.unref();
    const pending = this.#pending;
    this.#pending = undefined;
    if ("error" in answer) pending?.reject(answer.error);
    else pending?.resolve(answer.result);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#settle({ error });
  }
}
