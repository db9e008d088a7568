import { currentCommit, describeMachine } from "../run/provenance.ts";
import { type Candidate, ourCommand, peerCandidates } from "./candidates.ts";
import { type FoundPeer, lookForPeers, PEERS } from "./probe.ts";
import {
  isPeerModel,
  type ModelName,
  type Question,
  type Ready,
  readySchema,
  type StepSettings,
  timeSchema,
} from "./protocol.ts";
import { type BenchRow, benchRow, type TrainBench } from "./report.ts";
import { type Inquiry, type Measured, type Plan, takeTurns } from "./rounds.ts";
import { type ShapeName, type SizeOverrides, settingsOf } from "./shapes.ts";
import { speedups } from "./speedups.ts";
import type { BenchProgress } from "./tally.ts";
import type { Worker } from "./worker.ts";

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

interface StepPlan extends Plan {
  readonly shape: ShapeName;
  readonly settings: StepSettings;
}

interface StepTurn {
  readonly stepMs: number;
  readonly forwardBackwardMs: number;
}

/** Steps that decide between candidates; the process is warm before. */
const TRIAL_STEPS = 3;

const time = async (worker: Worker<Ready>, question: Question) => (await worker.ask(question, timeSchema)).ms;

/** How training steps are asked for. */
export const stepInquiry: Inquiry<StepPlan, Ready, StepTurn> = {
  ready: readySchema,
  // The first compiles what an engine compiles when it is first asked for.
  warmRounds: 1,
  async trial(worker) {
    const times: number[] = [];
    for (let i = 0; i < TRIAL_STEPS; i++) times.push(await time(worker, "step"));
    return Math.min(...times);
  },
  async turn(worker) {
    await time(worker, "step"); // not counted: the caches hold what the row before left there
    return { stepMs: await time(worker, "step"), forwardBackwardMs: await time(worker, "forwardBackward") };
  },
};

/**
 * Measures training steps of this package and its peers. The rows of a shape take turns (rounds.ts); the shapes come one after
 * the other, since nothing is compared across them and each process holds a gigabyte.
 *
 * @throws if a row of this package fails; a peer that does is told in `missing`.
 */
export async function trainBench(options: TrainBenchOptions): Promise<TrainBench> {
  const machine = describeMachine();
  const peers = await lookForPeers(options.pythons, PEERS);
  const groups = options.shapes.map((shape) => plansOf(shape, peers.found, options));
  const { measured, missing } = await takeTurns(groups, stepInquiry, options.steps, options.openProgress);
  const rows = measured.map(rowOf);
  return {
    machine,
    commit: currentCommit(),
    rows,
    missing: [...peers.missing, ...missing],
    speedups: speedups(rows),
  };
}

function plansOf(shape: ShapeName, peers: readonly FoundPeer[], options: TrainBenchOptions): StepPlan[] {
  return [undefined, ...peers].flatMap((peer) =>
    options.models.flatMap((model) => {
      if (peer !== undefined && !isPeerModel(model)) return [];
      const settings = settingsOf(shape, model, options.threads, options);
      const engine = peer?.engine ?? "ours";
      const candidates = peer === undefined ? ourCandidates(settings) : stepCandidates(peer, settings);
      return [{ engine, shape, name: `${engine} ${shape} ${model}`, settings, candidates }];
    }),
  );
}

/** This package has one way to make a step: all threads it is given. */
const ourCandidates = (settings: StepSettings): Candidate[] => [
  { command: ourCommand("./ourStep.js", settings), chosen: {} },
];

/** Ways in which a peer can make steps. */
export const stepCandidates = (peer: FoundPeer, settings: StepSettings, openBlas?: Readonly<Record<string, string>>) =>
  peerCandidates(
    peer,
    peer.engine === "jax" ? "jax_step.py" : "pytorch_step.py",
    { ...settings, compile: peer.engine === "torch.compile" },
    openBlas,
  );

const rowOf = ({ plan, candidate, ready, turns }: Measured<StepPlan, Ready, StepTurn>): BenchRow =>
  benchRow({
    ...{ engine: plan.engine, shape: plan.shape, settings: plan.settings, chosen: candidate.chosen, ready },
    stepMs: turns.map(({ stepMs }) => stepMs),
    forwardBackwardMs: turns.map(({ forwardBackwardMs }) => forwardBackwardMs),
  });
