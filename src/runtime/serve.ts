/** The two ends of a thread that answers calls, whatever carries the messages between them. */
import type { WorkerHandle } from "./executor.ts";

export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

export type Answer = { readonly result: unknown } | { readonly error: unknown };

/**
 * The far end: makes an object, then answers calls of its methods, one after the other. The first answer says that the object
 * is there.
 *
 * @returns what takes the calls
 */
export async function answerCalls(
  start: () => Promise<object>,
  post: (answer: Answer) => void,
): Promise<(call: Call) => Promise<void>> {
  const answer = async (work: () => Promise<unknown>) => {
    let reply: Answer;
    try {
      reply = { result: await work() };
    } catch (error) {
      reply = { error };
    }
    post(reply);
  };
  let served: object = {};
  await answer(async () => {
    served = await start();
  });
  return ({ method, args }) =>
    answer(() => (served as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[method]!(...args));
}

/** What carries calls to a thread. */
export interface Port {
  post(call: Call, moved: readonly ArrayBuffer[]): void;
  stop(): Promise<void>;
  /** Called before an answer is awaited, and after it came. */
  setBusy?(isBusy: boolean): void;
}

/** The near end: calls one method after the other. */
export class CallingHandle implements WorkerHandle {
  readonly #port: Port;
  #pending: { resolve(result: unknown): void; reject(error: unknown): void } | undefined;
  #failure: Error | undefined;

  constructor(port: Port) {
    this.#port = port;
  }

  call(method: string, args: readonly unknown[], moved: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const answered = this.answered();
    this.#port.post({ method, args }, moved);
    return answered;
  }

  /** The next answer. */
  answered(): Promise<unknown> {
    this.#port.setBusy?.(true);
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  async stop(): Promise<void> {
    this.#failure = new Error("runtime: a worker must run to be called, got one that was stopped");
    await this.#port.stop();
  }

  /** Takes an answer that came. */
  settle(answer: Answer): void {
    this.#port.setBusy?.(false);
    const pending = this.#pending;
    this.#pending = undefined;
    if ("error" in answer) pending?.reject(answer.error);
    else pending?.resolve(answer.result);
  }

  /** The thread is no more. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.settle({ error });
  }
}
