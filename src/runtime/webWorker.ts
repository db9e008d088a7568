import type { WorkerHandle } from "./executor.ts";
import { type Answer, answerCalls, type Call, CallingHandle } from "./serve.ts";

/** What is used of a browser's `Worker`, and of what a worker sees of itself. */
export interface WebPort {
  postMessage(message: unknown, moved?: ArrayBuffer[]): void;
  onmessage: ((event: { data: never }) => void) | null;
}

export interface WebWorker extends WebPort {
  onerror: ((event: { readonly message?: string }) => void) | null;
  terminate(): void;
}

/** What a worker begins with. */
export interface WebWorkerStart<Data> {
  /** Where ONNX Runtime's files lie. */
  readonly assets: string;
  readonly data: Data;
}

/** The other end of `startWebWorker`, in the script of the worker: makes an object, then answers calls of its methods. */
export function serveInWorker<Data>(scope: WebPort, start: (begin: WebWorkerStart<Data>) => Promise<object>): void {
  scope.onmessage = async ({ data: begin }: { data: WebWorkerStart<Data> }) => {
    const early: Call[] = [];
    scope.onmessage = ({ data: call }: { data: Call }) => void early.push(call);
    const take = await answerCalls(
      () => start(begin),
      (answer) => scope.postMessage(answer),
    );
    scope.onmessage = ({ data: call }: { data: Call }) => void take(call);
    for (const call of early) take(call);
  };
}

/** Begins work in a worker whose script calls `serveInWorker`, and waits until it is ready. */
export async function startWebWorker(worker: WebWorker, begin: WebWorkerStart<unknown>): Promise<WorkerHandle> {
  const handle = new CallingHandle({
    post: (call, moved) => worker.postMessage(call, [...moved]),
    stop: async () => worker.terminate(),
  });
  worker.onmessage = ({ data: answer }: { data: Answer }) => handle.settle(answer);
  worker.onerror = ({ message }) => {
    handle.fail(new Error(`runtime: a worker must run, got ${message ?? "a script that did not load"}`));
  };
  worker.postMessage(begin);
  await handle.answered();
  return handle;
}
