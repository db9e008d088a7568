import { z } from "zod";
import type { WeightFormat } from "../model/weights.ts";
import { currentCommit, describeMachine } from "../run/provenance.ts";
import { type Candidate, ourCommand, peerCandidates, threadChoices } from "./candidates.ts";
import { count, positive } from "./document.ts";
import { type FoundPeer, lookForPeers } from "./probe.ts";
import { isPeerModel, type ModelName } from "./protocol.ts";
import { type Inquiry, type Plan, takeTurns } from "./rounds.ts";
import {
  productTimesSchema,
  type SampleReady,
  type SampleSettings,
  SEGMENT_STEPS,
  sampleReadySchema,
  segmentSchema,
  trialSchema,
} from "./sampleProtocol.ts";
import { meanStep, type SampleBench, type SampleTurn, sampleRow, sampleSpeedups } from "./sampleReport.ts";
import { type SampleShapeName, sampleSettingsOf } from "./shapes.ts";
import type { BenchProgress } from "./tally.ts";
import { Worker } from "./worker.ts";

export interface SampleBenchOptions {
  readonly shapes: readonly SampleShapeName[];
  readonly models: readonly ModelName[];
  readonly batches: readonly number[];
  /** What this package keeps weights as; peers keep them as float32. */
  readonly weights: readonly WeightFormat[];
  /** Tokens of each prompt, and new tokens of each sequence. */
  readonly prompt: number;
  readonly tokens: number;
  readonly rounds: number;
  /** Most threads of a row. */
  readonly threads: number;
  /** Python interpreters to look for peers in; none measures this package alone. */
  readonly pythons: readonly string[];
  /** Called once, with the amount of work. */
  readonly openProgress: (total: number) => BenchProgress;
}

interface SamplePlan extends Plan {
  readonly shape: SampleShapeName;
  readonly settings: SampleSettings;
}

const TRIALS = 4;

/** How sampling is asked for. */
const sampleInquiry: Inquiry<SamplePlan, SampleReady, SampleTurn> = {
  ready: sampleReadySchema,
  warmRounds: 0, // prompts warm the caches, and a process is warm when it is ready
  trial: async (worker) => {
    const trials: number[][] = [];
    for (let i = 0; i < TRIALS; i++) trials.push((await worker.ask("trial", trialSchema)).stepMs);
    return meanStep(trials, (times) => Math.min(...times)); // a moment's disturbance must not choose
  },
  turn: async (worker, { engine, settings }) => {
    const segment = await worker.ask("segment", segmentSchema);
    const asksProducts = engine === "ours" && isPeerModel(settings.model) && segment.isLast;
    return { ...segment, products: asksProducts ? await worker.ask("products", productTimesSchema) : null };
  },
};

/**
 * Measures sampling, with a cache, of this package and its peers. The rows of a shape and a batch take turns (rounds.ts), a
 * turn being some steps of a generation.
 *
 * @throws if a row of this package fails; a peer that does is told in `missing`.
 */
export async function sampleBench(options: SampleBenchOptions): Promise<SampleBench> {
  const { prompt, tokens, threads } = options;
  const machine = describeMachine();
  const readBandwidth = await measureReadBandwidth(threads);
  const peers = await lookForPeers(options.pythons, ["pytorch-1.13", "pytorch"]);
  const groups = options.shapes.flatMap((shape) =>
    options.batches.map((batch) => plansOf(shape, batch, peers.found, options)),
  );
  const turns = options.rounds * Math.ceil((tokens - 1) / SEGMENT_STEPS);
  const { measured, missing } = await takeTurns(groups, sampleInquiry, turns, options.openProgress);
  const rows = measured.map(({ plan: { engine, shape, settings }, candidate: { chosen }, ready, turns }) =>
    sampleRow({ engine, shape, settings, chosen, ready, turns }),
  );
  return {
    machine,
    commit: currentCommit(),
    rule: "random",
    ...{ prompt, tokens, readBandwidth, rows },
    missing: [...peers.missing, ...missing],
    speedups: sampleSpeedups(rows),
  };
}

function plansOf(
  shape: SampleShapeName,
  batch: number,
  peers: readonly FoundPeer[],
  { models, weights, prompt, tokens, threads }: SampleBenchOptions,
): SamplePlan[] {
  const planOf = (peer: FoundPeer | undefined, kind: WeightFormat, model: ModelName): SamplePlan => {
    const settings = sampleSettingsOf(shape, { model, batch, prompt, tokens, threads, weights: kind });
    const engine = peer?.engine ?? "ours";
    const candidates = peer ? peerCandidates(peer, "pytorch_decode.py", settings) : ourCandidates(settings);
    return { engine, shape, name: `${engine} ${shape} ${model} ${kind} batch ${batch}`, settings, candidates };
  };
  return [
    ...weights.flatMap((kind) => models.map((model) => planOf(undefined, kind, model))),
    ...peers.flatMap((peer) => models.filter(isPeerModel).map((model) => planOf(peer, "float32", model))),
  ];
}

const ourCandidates = (settings: SampleSettings): Candidate[] =>
  threadChoices(settings.threads).map((threads) => ({
    command: ourCommand("./ourSample.js", { ...settings, threads }),
    chosen: {},
  }));

const readBandwidthSchema = z.object({ threads: count, gigabytesPerSecond: positive });

async function measureReadBandwidth(threads: number): Promise<SampleBench["readBandwidth"]> {
  const worker = await Worker.start(ourCommand("./readBandwidth.js", { threads }), readBandwidthSchema);
  await worker.close();
  return worker.ready;
}
