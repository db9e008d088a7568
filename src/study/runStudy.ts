import { type ChildProcess, fork } from "node:child_process";
import { note } from "./ledger.ts";
import type { StudyPaths } from "./studyFolder.ts";
import type { WorkerEvent } from "./studyWorker.ts";
import type { WorkerProcessData } from "./workerProcess.ts";

export interface RunStudyOptions extends Omit<WorkerProcessData, "place"> {
  readonly paths: StudyPaths;
  readonly workers: number;
  readonly onEvent: (event: WorkerEvent) => void;
  /** When aborted, workers finish the steps under way, save and end. */
  readonly signal?: AbortSignal;
}

const MODULE = new URL("./workerProcess.js", import.meta.url);

/** Works at a study with several processes, until nothing is left that one of them could do. */
export async function runStudy({ paths, workers, onEvent, signal, ...options }: RunStudyOptions): Promise<void> {
  const data: WorkerProcessData = { place: paths.study, ...options };
  await Promise.all(Array.from({ length: workers }, () => runWorker(data, paths, onEvent, signal)));
}

/** One place for a worker: where a process dies over a run, that run has failed, and another process goes on with the rest. */
async function runWorker(
  data: WorkerProcessData,
  paths: StudyPaths,
  onEvent: (event: WorkerEvent) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  while (!signal?.aborted) {
    const child = fork(MODULE, [JSON.stringify(data)], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    let current: WorkerEvent | undefined;
    child.on("message", (event: WorkerEvent) => {
      current = event.kind === "finished" || event.kind === "failed" ? undefined : event;
      onEvent(event);
    });
    const { code, reason } = await ended(child, signal);
    if (code === 0 || signal?.aborted) return;
    if (current === undefined) throw new Error(`study: a worker must end well, got ${reason}`);
    const error = `its process ended: ${reason}`;
    note(paths.ledger, current.id, "failed", error);
    onEvent({ ...current, kind: "failed", error });
  }
}

/** The end of a process, and what it last wrote of it. */
function ended(child: ChildProcess, signal: AbortSignal | undefined): Promise<{ code: number | null; reason: string }> {
  let errors = "";
  child.stderr!.on("data", (chunk) => {
    errors = `${errors}${chunk}`.slice(-2000);
  });
  const stop = () => child.kill("SIGTERM");
  signal?.addEventListener("abort", stop, { once: true });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      signal?.removeEventListener("abort", stop);
      const words = errors.trim().split("\n").at(-1) ?? "";
      resolve({ code, reason: killedBy ?? `exit code ${code}${words === "" ? "" : `: ${words}`}` });
    });
  });
}
