import { type ChildProcess, spawn } from "node:child_process";
import { hostname } from "node:os";
import type { ProcessIdentity } from "../files/processIdentity.ts";
import { lockOwner } from "../run/lock.ts";
import type { RunSummary, StartRun } from "./api.ts";
import { dataInside } from "./dataInside.ts";
import { HttpError } from "./httpError.ts";
import { summaryWithoutFolder } from "./runSummary.ts";
import type { RunsFolder } from "./runsFolder.ts";

export interface TrainingOptions {
  readonly folder: RunsFolder;
  /** Program and first arguments of this package's command line. */
  readonly mod: readonly string[];
  /** Where training processes work: the place of the data cache. */
  readonly cwd: string;
}

const KEPT_ERROR_CHARACTERS = 4000;

interface Started {
  readonly child: ChildProcess;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  stderr: string;
  /** Whether it was asked to save and end. Once is all: a second signal ends mod train at once, unsaved. */
  isAsked: boolean;
}

interface Failure {
  readonly problem: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** Training processes: those started from the page, and signals to those that were started elsewhere. */
export class Training {
  readonly #options: TrainingOptions;
  readonly #started = new Map<string, Started>();
  /** Why processes that were started here failed, by run. */
  readonly #failures = new Map<string, Failure>();
  /** Processes that were started elsewhere and were asked to end, by run: a second signal would end them unsaved. */
  readonly #askedElsewhere = new Map<string, string>();
  #isClosing = false;

  constructor(options: TrainingOptions) {
    this.#options = options;
  }

  /** How many processes that were started here are at work. */
  get running(): number {
    return this.#started.size;
  }

  /** Starts a new run, and gives its id. */
  start(wish: StartRun): string {
    const { folder, cwd } = this.#options;
    if (!folder.takesNewRuns) {
      throw new HttpError(409, "this page shows one run alone; start mod ui on the folder of runs");
    }
    const dir = folder.place(wish.name);
    if (dir === null || this.#started.has(wish.name)) {
      throw new HttpError(
        409,
        `name: must be free, of letters, digits, dots, dashes and underscores, got "${wish.name}"; choose another`,
      );
    }
    const changes = [
      ...(wish.steps === undefined ? [] : ["train.horizon.kind=steps", `train.horizon.steps=${wish.steps}`]),
      ...(wish.capacityRatio === undefined ? [] : [`model.routing.capacityRatio=${wish.capacityRatio}`]),
      ...(wish.gate === undefined ? [] : [`model.routing.gate=${wish.gate}`]),
    ];
    this.#spawn(wish.name, [
      ...["train", "--preset", wish.preset, "--out", dir],
      ...(wish.seed === undefined ? [] : ["--seed", String(wish.seed)]),
      ...(wish.data === undefined ? [] : ["--data", ...dataInside(cwd, wish.data)]),
      ...(changes.length === 0 ? [] : ["--set", ...changes]),
    ]);
    return wish.name;
  }

  resume(id: string): void {
    const dir = this.#dirOf(id);
    if (this.#started.has(id) || lockOwner(dir) !== null) throw new HttpError(409, `${id} is being trained already`);
    this.#spawn(id, ["train", "--resume", dir]);
  }

  /** Asks a run's process, wherever it was started, to finish its step and save. */
  stop(id: string): void {
    const started = this.#started.get(id);
    if (started !== undefined) {
      askToEnd(started);
      return;
    }
    const owner = lockOwner(this.#dirOf(id));
    if (owner === null) throw new HttpError(409, `${id} is not being trained`);
    const asked = `${owner.pid} ${owner.startTicks}`;
    if (this.#askedElsewhere.get(id) === asked) return;
    signalOwner(id, owner);
    this.#askedElsewhere.set(id, asked);
  }

  /** A list of runs with what is known of their processes: runs on their way, and reasons of failures. */
  complete(runs: readonly RunSummary[]): RunSummary[] {
    const known = new Set(runs.map(({ id }) => id));
    const onTheirWay = [...this.#started].filter(([id]) => !known.has(id));
    const failed = [...this.#failures].filter(([id]) => !known.has(id));
    return [
      ...onTheirWay.map(([id, { stderr, startedMs }]) =>
        summaryWithoutFolder(id, "starting", lastLine(stderr), startedMs),
      ),
      ...failed.map(([id, { problem, atMs }]) => summaryWithoutFolder(id, "damaged", problem, atMs)),
      ...runs.map((run) => ({
        ...run,
        // Its process gives the lock back before it ends; until then it cannot be resumed.
        state: this.#started.has(run.id) ? ("running" as const) : run.state,
        problem: run.problem ?? this.#failureOf(run),
      })),
    ];
  }

  /** A failure is of no interest once the run went on, wherever that was. */
  #failureOf({ id, state, changedMs }: RunSummary): string | null {
    const failure = this.#failures.get(id);
    const isPast = state === "running" || state === "done";
    return failure === undefined || isPast || changedMs > failure.atMs ? null : failure.problem;
  }

  /** Asks all processes that were started here to save, and waits for them. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const all = [...this.#started.values()];
    const ended = all.map(({ child }) => new Promise((resolve) => child.once("close", resolve)));
    for (const started of all) askToEnd(started);
    await Promise.all(ended);
  }

  #dirOf(id: string): string {
    const dir = this.#options.folder.resolve(id);
    if (dir === null) throw new HttpError(404, `there is no run "${id}"`);
    return dir;
  }

  #spawn(id: string, args: readonly string[]): void {
    if (this.#isClosing) throw new HttpError(503, "the server is ending; start mod ui again, then this run");
    const { mod, cwd } = this.#options;
    const [program, ...first] = mod as [string, ...string[]];
    // In a process group of its own: Ctrl-C at the terminal is for the server, which asks once; twice would not let them save.
    const child = spawn(program, [...first, ...args], { cwd, detached: true, stdio: ["ignore", "ignore", "pipe"] });
    const started: Started = { child, startedMs: Date.now(), stderr: "", isAsked: false };
    this.#started.set(id, started);
    this.#failures.delete(id);
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      started.stderr = (started.stderr + text).slice(-KEPT_ERROR_CHARACTERS);
    });
    const ended = (problem: string | null) => {
      // A process that could not be made is told of twice, the first time with the reason.
      if (this.#started.get(id) !== started) return;
      this.#started.delete(id);
      if (problem !== null) this.#failures.set(id, { problem, atMs: Date.now() });
    };
    child.on("error", ({ message }) => ended(message));
    child.on("close", (code) => {
      // 130: it was asked to stop, and saved. A signal ends it where there was nothing to save yet.
      const isWanted = code === 0 || code === 130 || (code === null && started.isAsked);
      ended(isWanted ? null : failureIn(started.stderr, code));
    });
  }
}

function askToEnd(started: Started): void {
  if (started.isAsked) return;
  started.isAsked = true;
  started.child.kill("SIGINT");
}

/** A lock is a file that anyone may have written: only a process of this host that is known by its start gets a signal. */
function signalOwner(id: string, { pid, host, startTicks }: ProcessIdentity): void {
  if (host !== hostname()) throw new HttpError(409, `${id} is trained on ${host}; stop it there`);
  // To the system, 0 and what is negative are groups of processes.
  if (!Number.isSafeInteger(pid) || pid <= 0) throw new HttpError(409, `${id}: its lock names no process`);
  if (startTicks === null && process.platform === "linux") {
    throw new HttpError(409, `${id} is held by process ${pid}, which did not say when it began; stop it by hand`);
  }
  try {
    process.kill(pid, "SIGINT");
  } catch (cause) {
    throw new HttpError(409, `${id}: process ${pid} takes no signal from here (${(cause as Error).message})`);
  }
}

const lastLine = (text: string): string | null =>
  text
    .trim()
    .split(/[\n\r]/)
    .at(-1) || null;

/** What the program said of its end. */
const failureIn = (stderr: string, code: number | null): string =>
  stderr
    .split("\n")
    .filter((line) => line.startsWith("mod: ") || line.startsWith("  - "))
    .map((line) => line.replace(/^mod: /, ""))
    .join(" ") || `mod train ended with ${code === null ? "a signal" : `code ${code}`}`;
