import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { resolveConfig } from "../config/runConfig.ts";
import type { PreparedData } from "../data/openData.ts";
import { lockRun, type RunLock } from "../run/lock.ts";
import { cleanRun, openRun, runPaths } from "../run/runFolder.ts";
import type { Runtime } from "../runtime/executor.ts";
import { startRun } from "../train/startRun.ts";
import { trainRun } from "../train/trainRun.ts";
import { failures, type LedgerEntry, note, readLedger } from "./ledger.ts";
import { type CountedRun, countRun, type PlannedRun } from "./plan.ts";
import { resultOf } from "./resultOf.ts";
import { hasResult, isSameRun, writeResult } from "./results.ts";
import type { StudyPaths } from "./studyFolder.ts";
import { StudyError } from "./studySchema.ts";

/** What a worker tells of the run it is at. */
export interface WorkerEvent {
  readonly id: string;
  readonly kind: LedgerEntry["kind"] | "step";
  readonly step: number;
  readonly steps: number;
  readonly error?: string;
}

export interface WorkOptions {
  readonly paths: StudyPaths;
  readonly planned: readonly PlannedRun[];
  readonly data: PreparedData;
  readonly runtime: Runtime;
  /** Whether runs that failed are tried again. */
  readonly retryFailed?: boolean;
  readonly onEvent?: (event: WorkerEvent) => void;
  /** When aborted, the step under way is finished and saved. */
  readonly signal?: AbortSignal;
}

/**
 * Makes the runs of a study that are not done, one after the other, in their order. Any number of processes may work at one
 * study: a run belongs to whoever holds the lock of its folder. One that was interrupted goes on from its last checkpoint; one that
 * fails is noted and left, and the others go on.
 */
export async function workAtStudy(options: WorkOptions): Promise<void> {
  const { paths, planned, data, retryFailed = false, signal } = options;
  const failedBefore = retryFailed ? new Map() : failures(readLedger(paths.ledger));
  for (const run of planned) {
    if (signal?.aborted) return;
    if (hasResult(paths.results, run.id) || failedBefore.has(run.id)) continue;
    const claim = claimRun(run, paths, data);
    if (claim === null) continue;
    try {
      // Another worker may have ended it between the look above and the lock.
      if (!hasResult(paths.results, run.id)) await makeRun(countRun(run, data), claim.dir, options);
    } finally {
      claim.lock.release();
    }
  }
}

/** The run's folder, made if need be, and its lock; null if another process has it. */
function claimRun({ id, config }: PlannedRun, paths: StudyPaths, data: PreparedData) {
  const dir = path.join(paths.runs, id);
  mkdirSync(paths.runs, { recursive: true });
  let lock: RunLock;
  try {
    if (!existsSync(runPaths(dir).config)) startRun(dir, config, data);
    lock = lockRun(dir);
  } catch (error) {
    // Held by another, or made by another at this very moment: theirs.
    if (existsSync(dir)) return null;
    throw error;
  }
  return { dir, lock };
}

async function makeRun(run: CountedRun, dir: string, options: WorkOptions): Promise<void> {
  const { paths, data, runtime, signal, onEvent = () => {} } = options;
  const { id, steps } = run;
  const tell = (kind: LedgerEntry["kind"], step: number, error?: string) => {
    note(paths.ledger, id, kind, error);
    onEvent({ id, kind, step, steps, ...(error !== undefined && { error }) });
  };
  let step = 0;
  try {
    cleanRun(dir);
    const config = resolveConfig(openRun(dir).config);
    if (!isSameRun(config, run.config)) {
      throw new StudyError(
        `study: ${dir} must have the configuration that the study has for it, got another; delete it`,
      );
    }
    for await (const event of trainRun({ dir, config, data, runtime, ...(signal && { signal }) })) {
      step = event.step;
      if (event.kind === "start") tell(step === 0 ? "started" : "resumed", step);
      else if (event.kind === "step") onEvent({ id, kind: "step", step, steps });
      else if (event.kind === "interrupted") tell("interrupted", step);
      else if (event.kind === "done") {
        writeResult(paths.results, resultOf(run, dir, runtime.threads, data));
        tell("finished", step);
      }
    }
  } catch (error) {
    tell("failed", step, (error as Error).message);
  }
}
