import { setTimeout as sleep } from "node:timers/promises";
import { type Calibrated, startFastest } from "./calibrate.ts";
import type { Candidate } from "./candidates.ts";
import type { StepSettings } from "./protocol.ts";
import type { EngineName, Measured, MissingEngine } from "./report.ts";
import type { ShapeName } from "./shapes.ts";
import type { Tally } from "./tally.ts";

/** A row to be. */
export interface Plan {
  readonly engine: EngineName;
  readonly shape: ShapeName;
  readonly settings: StepSettings;
  readonly candidates: readonly Candidate[];
}

/** A row whose process is warm. */
export interface Running extends Plan, Calibrated {
  /** Asked before the first forward and backward pass by itself, for which an engine may hold a graph of its own. */
  readonly peakMiB: number;
}

/** Rounds that are not counted: they compile what an engine compiles when it is first asked for. */
const WARM_ROUNDS = 1;
/** Threads of an engine go on spinning for a while when its work is done; the next shall not feel it. */
const SETTLE_MS = 50;

/** Amount of work of a row, for the progress line: its start and its rounds. */
export const workOf = (steps: number): number => 1 + WARM_ROUNDS + steps;

/** Starts the process of every row, one after the other. Peers that fail are left out, with the reason. */
export async function startAll(plans: readonly Plan[], steps: number, tally: Tally) {
  const running: Running[] = [];
  const missing: MissingEngine[] = [];
  for (const plan of plans) {
    tally.begin(`${nameOf(plan)}: starting`);
    try {
      running.push(await startRow(plan, tally));
      tally.count();
    } catch (error) {
      if (plan.engine === "ours") {
        await closeAll(running);
        throw error;
      }
      missing.push({ engine: plan.engine, reason: `${nameOf(plan)}: ${(error as Error).message}` });
      tally.count(workOf(steps));
    }
  }
  return { running, missing };
}

async function startRow(plan: Plan, tally: Tally): Promise<Running> {
  const calibrated = await startFastest(plan.candidates);
  if (calibrated.tried.length > 0) tally.note(`${nameOf(plan)}: ${triedText(plan.candidates, calibrated)}`);
  return { ...plan, ...calibrated, peakMiB: await calibrated.worker.peakMiB() };
}

/** Lets the rows take turns, then ends their processes. */
export async function measureRounds(running: readonly Running[], steps: number, tally: Tally): Promise<Measured[]> {
  const rows = running.map((row) => ({ row, stepMs: [] as number[], forwardBackwardMs: [] as number[] }));
  try {
    for (let round = 0; round < WARM_ROUNDS + steps; round++) {
      for (const { row, stepMs, forwardBackwardMs } of rows) {
        tally.begin(nameOf(row));
        await row.worker.time("step"); // not counted: the caches hold what the row before left there
        stepMs.push(await row.worker.time("step"));
        forwardBackwardMs.push(await row.worker.time("forwardBackward"));
        tally.count();
        await sleep(SETTLE_MS);
      }
    }
  } finally {
    await closeAll(running);
  }
  return rows.map(({ row, stepMs, forwardBackwardMs }) => ({
    ...{ engine: row.engine, shape: row.shape, settings: row.settings, chosen: row.candidate.chosen },
    ...{ ready: row.worker.ready, peakMiB: row.peakMiB },
    stepMs: stepMs.slice(WARM_ROUNDS),
    forwardBackwardMs: forwardBackwardMs.slice(WARM_ROUNDS),
  }));
}

const closeAll = (running: readonly Running[]) => Promise.all(running.map(({ worker }) => worker.close()));

const nameOf = ({ engine, shape, settings }: Plan): string => `${engine} ${shape} ${settings.model}`;

/** `threads=1 pthread 1390 ms; threads=2 pthread 950 ms; takes threads=2 pthread` */
function triedText(candidates: readonly Candidate[], { candidate, tried }: Calibrated): string {
  const times = candidates.map((each, i) => `${wayOf(each)} ${tried[i]!.toFixed(0)} ms`);
  return `${times.join("; ")}; takes ${wayOf(candidate)}`;
}

const wayOf = ({ chosen, command }: Candidate): string =>
  [`threads=${command.settings.threads}`, ...Object.values(chosen)].join(" ");
