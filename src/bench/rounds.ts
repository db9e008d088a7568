import { setTimeout as sleep } from "node:timers/promises";
import { type Calibrated, startFastest, type Trial } from "./calibrate.ts";
import type { Candidate } from "./candidates.ts";
import type { EngineName, MissingEngine } from "./document.ts";
import { type BenchProgress, Tally } from "./tally.ts";
import type { Worker } from "./worker.ts";

/** A row to be. */
export interface Plan {
  readonly engine: EngineName;
  /** What people read of it. */
  readonly name: string;
  readonly candidates: readonly Candidate[];
}

/** What a benchmark asks of the process of a row. */
export interface Inquiry<P extends Plan, Ready, Turn> extends Trial<Ready> {
  /** Rounds that are not counted. */
  readonly warmRounds: number;
  turn(worker: Worker<Ready>, plan: P): Promise<Turn>;
}

/** What came of a row. */
export interface Measured<P extends Plan, Ready, Turn> {
  readonly plan: P;
  readonly candidate: Candidate;
  readonly ready: Ready;
  /** One a round. */
  readonly turns: readonly Turn[];
}

/** A row whose process is warm. */
interface Running<P extends Plan, Ready> extends Calibrated<Ready> {
  readonly plan: P;
}

/** Threads of an engine go on spinning for a while when its work is done; the next shall not feel it. */
const SETTLE_MS = 50;

/**
 * Measures groups of rows, one group after the other: each row is a process of its own, one at work at a time, and the rows of a
 * group take turns, so that a drift of the machine hits all alike.
 *
 * @param openProgress called once, with the amount of work
 * @throws if a row of this package fails; peers that fail are left out, with the reason
 */
export async function takeTurns<P extends Plan, Ready, Turn>(
  groups: readonly (readonly P[])[],
  inquiry: Inquiry<P, Ready, Turn>,
  rounds: number,
  openProgress: (total: number) => BenchProgress,
): Promise<{ readonly measured: readonly Measured<P, Ready, Turn>[]; readonly missing: readonly MissingEngine[] }> {
  const total = inquiry.warmRounds + rounds;
  const tally = new Tally(openProgress(groups.flat().length * (1 + total)));
  const measured: Measured<P, Ready, Turn>[] = [];
  const missing: MissingEngine[] = [];
  for (const plans of groups) {
    const { running, failed } = await startAll(plans, inquiry, total, tally);
    missing.push(...failed);
    measured.push(...(await measureRounds(running, inquiry, total, tally)));
  }
  tally.end();
  return { measured, missing };
}

/** Starts the process of every row, one after the other. */
async function startAll<P extends Plan, Ready>(
  plans: readonly P[],
  trial: Trial<Ready>,
  rounds: number,
  tally: Tally,
): Promise<{ running: Running<P, Ready>[]; failed: MissingEngine[] }> {
  const running: Running<P, Ready>[] = [];
  const failed: MissingEngine[] = [];
  for (const plan of plans) {
    const { engine, name, candidates } = plan;
    tally.begin(`${name}: starting`);
    try {
      const calibrated = await startFastest(candidates, trial);
      if (calibrated.tried.length > 0) tally.note(`${name}: ${triedText(candidates, calibrated)}`);
      running.push({ plan, ...calibrated });
      tally.count();
    } catch (error) {
      if (engine === "ours") {
        await closeAll(running);
        throw error;
      }
      failed.push({ engine, reason: `${name}: ${(error as Error).message}` });
      tally.count(1 + rounds);
    }
  }
  return { running, failed };
}

/** Lets the rows take turns, then ends their processes. */
async function measureRounds<P extends Plan, Ready, Turn>(
  running: readonly Running<P, Ready>[],
  { warmRounds, turn }: Inquiry<P, Ready, Turn>,
  rounds: number,
  tally: Tally,
): Promise<Measured<P, Ready, Turn>[]> {
  const turns: Turn[][] = running.map(() => []);
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [i, { plan, worker }] of running.entries()) {
        tally.begin(plan.name);
        turns[i]!.push(await turn(worker, plan));
        tally.count();
        await sleep(SETTLE_MS);
      }
    }
  } finally {
    await closeAll(running);
  }
  return running.map(({ plan, candidate, worker: { ready } }, i) => ({
    ...{ plan, candidate, ready, turns: turns[i]!.slice(warmRounds) },
  }));
}

const closeAll = <P extends Plan, Ready>(running: readonly Running<P, Ready>[]) =>
  Promise.all(running.map(({ worker }) => worker.close()));

/** `threads=1 pthread 1390 ms; threads=2 pthread 950 ms; takes threads=2 pthread` */
function triedText<Ready>(candidates: readonly Candidate[], { candidate, tried }: Calibrated<Ready>): string {
  const times = candidates.map((each, i) => `${wayOf(each)} ${tried[i]!.toPrecision(3)} ms`);
  return `${times.join("; ")}; takes ${wayOf(candidate)}`;
}

const wayOf = ({ chosen, command }: Candidate): string =>
  [`threads=${command.settings.threads}`, ...Object.values(chosen)].join(" ");
