import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { z } from "zod";

/** What every process that measures is told, beside what its protocol adds. */
export interface WorkerSettings {
  readonly threads: number;
}

/** How to start a process that measures. */
export interface WorkerCommand<Settings extends WorkerSettings = WorkerSettings> {
  readonly program: string;
  /** Before the settings, which come last. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly settings: Settings;
}

/** How much of what a process wrote on standard error is told when it fails. */
const KEPT_ERROR_CHARACTERS = 2000;
const END_WITHIN_MS = 10_000;

/**
 * A process that measures one row. It gets its settings as one JSON argument, prints a line of JSON when it is ready, then
 * answers each line of its input, a question, with one line of JSON. The caller must end it with `close`.
 */
export class Worker<Ready = unknown> {
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
  static async start<Ready>(command: WorkerCommand, ready: z.ZodType<Ready>): Promise<Worker<Ready>> {
    const worker = new Worker<Ready>(command);
    try {
      worker.#ready = await worker.#answer(ready);
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  get ready(): Ready {
    return this.#ready!;
  }

  /** The answer to a question. */
  ask<Answer>(question: string, answer: z.ZodType<Answer>): Promise<Answer> {
    this.#child.stdin.write(`${question}
`);
    return this.#answer(answer);
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

  async #answer<Answer>(schema: z.ZodType<Answer>): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(await this.#whyEnded());
    const result = schema.safeParse(parsed(value));
    if (result.success) return result.data;
    throw new Error(`bench: ${this.#child.spawnfile} must answer as its protocol in src/bench says, got ${value}`);
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
