import { parentPort, Worker, workerData } from "node:worker_threads";
import type { WorkerHandle, WorkerModule } from "./executor.ts";
import { type Answer, answerCalls, CallingHandle } from "./serve.ts";

/** Whether threads can be started here. Node runs JavaScript alone: from TypeScript sources there are none. */
export const HAS_WORKERS = !import.meta.url.endsWith(".ts");

/** The other end of `startWorker`, in the module it names: makes an object from its data, then answers calls of its methods. */
export async function serve<Data>(start: (data: Data) => Promise<object>): Promise<void> {
  const port = parentPort!;
  const take = await answerCalls(
    () => start(workerData),
    (answer) => port.postMessage(answer),
  );
  port.on("message", take);
}

/** Starts a module that calls `serve`, and waits until it is ready. While it is called, it keeps the process alive. */
export async function startWorker(module: WorkerModule, data: unknown): Promise<WorkerHandle> {
  const worker = new Worker(new URL(`../${module}.js`, import.meta.url), { workerData: data });
  const handle = new CallingHandle({
    post: (call, moved) => worker.postMessage(call, [...moved]),
    stop: async () => {
      await worker.terminate();
    },
    setBusy: (isBusy) => {
      if (isBusy) worker.ref();
      else worker.unref();
    },
  });
  worker.on("message", (answer: Answer) => handle.settle(answer));
  worker.on("error", (error) => handle.fail(error as Error));
  worker.on("exit", (code) => handle.fail(new Error(`runtime: a worker must stay, got exit code ${code}`)));
  await handle.answered();
  return handle;
}
