import { existsSync, mkdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { resolveConfig } from "../config/runConfig.ts";
import type { PreparedData } from "../data/openData.ts";
import { WriteError } from "../files/atomic.ts";
import { lockOwner, lockRun, type RunLock } from "../run/lock.ts";
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
  /** Runs that failed before this moment (an ISO date) are tried again; none, if not given. */
  readonly retryBefore?: string;
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
  const { paths, planned, data, retryBefore = "", signal, onEvent = () => {} } = options;
  for (const run of planned) {
    if (signal?.aborted) return;
    if (hasResult(paths.results, run.id)) continue;
    // Looked up for each run: another worker may have tried it meanwhile.
    const failed = failures(readLedger(paths.ledger)).get(run.id);
    if (failed !== undefined && failed.at >= retryBefore) continue;
    const claim = claimRun(run, paths, data);
    if (claim === null) continue;
    if ("problem" in claim) {
      // Not for the ledger: nothing was tried, and the next call may find it mended.
      onEvent({ id: run.id, kind: "failed", step: 0, steps: countRun(run, data).steps, error: claim.problem });
      continue;
    }
    try {
      // Another worker may have ended it between the look above and the lock.
      if (!hasResult(paths.results, run.id)) await makeRun(countRun(run, data), claim.dir, options);
    } finally {
      claim.lock.release();
    }
  }
}

/** The run's folder, made if need be, and its lock; null if another process of this host has it; or why it can't be had. */
function claimRun(
  { id, config }: PlannedRun,
  paths: StudyPaths,
  data: PreparedData,
): Claim | { problem: string } | null {
  const dir = path.join(paths.runs, id);
  mkdirSync(paths.runs, { recursive: true });
  try {
    if (!existsSync(runPaths(dir).config)) {
      clearUnfinished(dir);
      startRun(dir, config, data);
    }
    return { dir, lock: lockRun(dir) };
  } catch (error) {
    const owner = lockOwner(dir);
    const isTheirs = owner === null ? existsSync(runPaths(dir).config) : owner.host === hostname();
    if (isTheirs && !(error instanceof WriteError)) return null;
    return { problem: (error as Error).message };
  }
}

interface Claim {
  readonly dir: string;
  readonly lock: RunLock;
}

/** A process that is killed while it makes a run folder leaves a part of it, and nobody's lock. */
function clearUnfinished(dir: string): void {
  if (!existsSync(dir) || lockOwner(dir) !== null) return;
  cleanRun(dir);
  rmSync(runPaths(dir).tokenizer, { force: true });
}

async function makeRun(run: CountedRun, dir: string, options: WorkOptions): Promise<void> {
  const { paths, data, runtime, signal, onEvent = () => {} } = options;
  const { id, steps } = run;
  const tell = (kind: LedgerEntry["kind"], step: number, error?: string) => {
    note(paths.ledger, id, kind, error);
    onEvent({ id, kind, step, steps, ...(error !== undefined && { error }) });
  };
  let step = 0;
  // Told first: should this process end from here on, it was over this run.
  onEvent({ id, kind: "step", step, steps });
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
