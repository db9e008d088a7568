import { type ChildProcess, fork } from "node:child_process";
import type { GenerateLine, GenerateRequest, InspectAnswer, InspectRequest } from "./api.ts";
import { HttpError } from "./httpError.ts";

/** What the server asks of the process that computes. */
export type ModelRequest =
  | { readonly kind: "inspect"; readonly call: number; readonly dir: string; readonly request: InspectRequest }
  | { readonly kind: "generate"; readonly call: number; readonly dir: string; readonly request: GenerateRequest }
  | { readonly kind: "cancel"; readonly call: number };

/** What it answers with: any number of values, then an end. */
export type ModelAnswer = { readonly call: number } & (
  | { readonly kind: "value"; readonly value: InspectAnswer | GenerateLine }
  | { readonly kind: "end" }
  | { readonly kind: "error"; readonly message: string }
);

const MODULE = new URL("./modelProcess.js", import.meta.url);
/** An idle process gives its memory back. */
const IDLE_MS = 10 * 60_000;
const MOST_CALLS = 8;

interface OpenCall {
  readonly process: ChildProcess;
  onValue(value: InspectAnswer | GenerateLine): void;
  onEnd(error?: Error): void;
}

/**
 * Looking into models and sampling from them, in a process of its own that is started when it is needed: the server answers
 * meanwhile, and outlives whatever happens there.
 */
export class Models {
  readonly #threads: number | undefined;
  #process: ChildProcess | undefined;
  #idle: NodeJS.Timeout | undefined;
  readonly #calls = new Map<number, OpenCall>();
  #count = 0;

  constructor(threads?: number) {
    this.#threads = threads;
  }

  async inspect(dir: string, request: InspectRequest): Promise<InspectAnswer> {
    let answer: InspectAnswer | undefined;
    await this.#ask({ kind: "inspect", dir, request }, (value) => {
      answer = value as InspectAnswer;
    });
    return answer!;
  }

  /** Continues a text; aborting the signal ends it. */
  async generate(
    dir: string,
    request: GenerateRequest,
    onLine: (line: GenerateLine) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#ask({ kind: "generate", dir, request }, (value) => onLine(value as GenerateLine), signal);
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#process?.kill();
    this.#process = undefined;
  }

  #ask(
    request: Omit<Exclude<ModelRequest, { kind: "cancel" }>, "call">,
    onValue: OpenCall["onValue"],
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.#calls.size >= MOST_CALLS) throw new HttpError(429, "too many texts are under way; wait for one to end");
    const call = this.#count++;
    const running = this.#start();
    return new Promise((resolve, reject) => {
      const onEnd = (error?: Error) => {
        this.#calls.delete(call);
        if (this.#calls.size === 0) this.#idle = setTimeout(() => this.close(), IDLE_MS).unref();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#calls.set(call, { process: running, onValue, onEnd });
      // A reader who leaves after the end, or after the process did, cancels nothing.
      const cancel = () => {
        if (this.#calls.has(call) && running.connected) running.send({ kind: "cancel", call } satisfies ModelRequest);
      };
      signal?.addEventListener("abort", cancel);
      running.send({ ...request, call } as ModelRequest);
    });
  }

  #start(): ChildProcess {
    clearTimeout(this.#idle);
    if (this.#process !== undefined) return this.#process;
    const args = this.#threads === undefined ? [] : [String(this.#threads)];
    // In a group of its own, as `Training` starts its processes: Ctrl-C is for the server.
    const child = fork(MODULE, args, {
      serialization: "advanced",
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.on("message", (answer: ModelAnswer) => this.#take(answer));
    const failed = (how: string) => {
      if (this.#process === child) this.#process = undefined;
      const error = new HttpError(500, `the process that computes ${how}; try again`);
      // Another may have been started since: its calls are not this one's.
      for (const call of [...this.#calls.values()]) if (call.process === child) call.onEnd(error);
    };
    child.on("exit", (code, signal) => failed(`ended with ${signal ?? `code ${code}`}`));
    // It did not start, or a message to it was lost.
    child.on("error", ({ message }) => failed(`cannot be reached (${message})`));
    this.#process = child;
    return child;
  }

  #take(answer: ModelAnswer): void {
    const call = this.#calls.get(answer.call);
    if (answer.kind === "value") call?.onValue(answer.value);
    else call?.onEnd(answer.kind === "error" ? new HttpError(400, answer.message) : undefined);
  }
}
