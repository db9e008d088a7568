import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { z } from "zod";
import { peakSchema, type Question, type Ready, readySchema, type StepSettings, timeSchema } from "./protocol.ts";

/** How to start a process that speaks protocol.ts. */
export interface WorkerCommand {
  readonly program: string;
  /** Before the settings, which come last. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly settings: StepSettings;
}

/** How much of what a process wrote on standard error is told when it fails. */
const KEPT_ERROR_CHARACTERS = 2000;
const END_WITHIN_MS = 10_000;

/** A process that measures one row, by protocol.ts. The caller must end it with `close`. */
export class Worker {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #errors = "";
  #ready: Ready | undefined;

  private constructor({ program, args, env, settings }: WorkerCommand) {
    this.#child = spawn(program, [...args, JSON.stringify(settings)], { env });
    this.#child.on("error", ({ message }) => this.#keepErrors(message));
    this.#child.stdin.on("error", () => {}); // a process that has ended is noticed by the missing answer
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => this.#keepErrors(text));
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /**
   * Starts a process and waits until it is warm.
   *
   * @throws with the end of its standard error if it fails.
   */
  static async start(command: WorkerCommand): Promise<Worker> {
    const worker = new Worker(command);
    try {
      worker.#ready = await worker.#answer(readySchema);
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  get ready(): Ready {
    return this.#ready!;
  }

  /** Runs one step, or one forward and backward pass: its time in milliseconds. */
  async time(question: Exclude<Question, "peak">): Promise<number> {
    this.#ask(question);
    return (await this.#answer(timeSchema)).ms;
  }

  /** Peak resident memory so far, MiB. */
  async peakMiB(): Promise<number> {
    this.#ask("peak");
    return (await this.#answer(peakSchema)).peakMiB;
  }

  /** Ends the process and waits for its end. */
  async close(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  }

  #ask(question: Question): void {
    this.#child.stdin.write(`${question}\n`);
  }

  async #answer<S extends z.ZodType>(schema: S): Promise<z.output<S>> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(await this.#whyEnded());
    const result = schema.safeParse(parsed(value));
    if (result.success) return result.data;
    throw new Error(`bench: ${this.#child.spawnfile} must answer as src/bench/protocol.ts says, got ${value}`);
  }

  /** The last line of standard error, which is where Python and Node say what went wrong. */
  async #whyEnded(): Promise<string> {
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode === null && signalCode === null && pid !== undefined) await once(this.#child, "exit");
    const last = this.#errors
      .trim()
      .split("\n")
      .findLast((line) => /\S/.test(line));
    const how = this.#child.signalCode ?? `exit code ${this.#child.exitCode ?? "none"}`;
    return last?.trim() ?? `${this.#child.spawnfile} ended without an answer, ${how}`;
  }

  #keepErrors(text: string): void {
    this.#errors = `${this.#errors}${text}`.slice(-KEPT_ERROR_CHARACTERS);
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
