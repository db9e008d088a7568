import { ourCandidate, peerCandidates } from "./candidates.ts";
import { currentCommit, describeMachine } from "./machine.ts";
import { type FoundPeer, findPeers, probe } from "./probe.ts";
import type { ModelName } from "./protocol.ts";
import { type BenchRow, benchRow, type MissingEngine, type TrainBench } from "./report.ts";
import { measureRounds, type Plan, startAll, workOf } from "./rounds.ts";
import { type ShapeName, type SizeOverrides, settingsOf } from "./shapes.ts";
import { speedups } from "./speedups.ts";
import { type BenchProgress, Tally } from "./tally.ts";

export interface TrainBenchOptions extends SizeOverrides {
  readonly shapes: readonly ShapeName[];
  readonly models: readonly ModelName[];
  /** Timed rounds. */
  readonly steps: number;
  /** Most threads of a row. */
  readonly threads: number;
  /** Python interpreters to look for peers in; none measures this package alone. */
  readonly pythons: readonly string[];
  /** Called once, with the amount of work. */
  readonly openProgress: (total: number) => BenchProgress;
}

/**
 * Measures training steps of this package and its peers. Each row is a process of its own, one at work at a time. The rows of a
 * shape take turns (rounds.ts); the shapes come one after the other, since nothing is compared across them and each process
 * holds a gigabyte.
 *
 * @throws if a row of this package fails; a peer that does is told in `missing`.
 */
export async function trainBench(options: TrainBenchOptions): Promise<TrainBench> {
  const machine = describeMachine();
  const { found, missing } = await lookForPeers(options.pythons);
  const shapes = options.shapes.map((shape) => plansOf(shape, found, options));
  const tally = new Tally(options.openProgress(shapes.flat().length * workOf(options.steps)));
  const rows: BenchRow[] = [];
  const failed: MissingEngine[] = [];
  for (const plans of shapes) {
    const { running, missing } = await startAll(plans, options.steps, tally);
    failed.push(...missing);
    rows.push(...(await measureRounds(running, options.steps, tally)).map(benchRow));
  }
  tally.end();
  return {
    machine,
    commit: currentCommit(),
    rows,
    missing: [...missing, ...failed],
    speedups: speedups(rows),
  };
}

async function lookForPeers(pythons: readonly string[]): Promise<ReturnType<typeof findPeers>> {
  return pythons.length === 0 ? { found: [], missing: [] } : findPeers(await Promise.all(pythons.map(probe)));
}

function plansOf(shape: ShapeName, peers: readonly FoundPeer[], options: TrainBenchOptions): Plan[] {
  return [undefined, ...peers].flatMap((peer) =>
    options.models.map((model) => {
      const settings = settingsOf(shape, model, options.threads, options);
      return peer === undefined
        ? { engine: "ours", shape, settings, candidates: [ourCandidate(settings)] }
        : { engine: peer.engine, shape, settings, candidates: peerCandidates(peer, settings) };
    }),
  );
}
