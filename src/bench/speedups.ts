import { ENGINES } from "./document.ts";
import { MODELS } from "./protocol.ts";
import type { BenchRow, OverPeers, Speedups } from "./report.ts";
import { SHAPES } from "./shapes.ts";

type Measure = "stepMs" | "forwardBackwardMs";

/** Ratios of medians: each model over the dense one in each engine, and this package over its peers. */
export const speedups = (rows: readonly BenchRow[]): Speedups => ({
  overDense: SHAPES.flatMap((shape) =>
    ENGINES.flatMap((engine) => MODELS.flatMap((model) => overDense(rows, engine, shape, model))),
  ),
  oursOverPeers: SHAPES.flatMap((shape) => MODELS.flatMap((model) => oursOverPeers(rows, shape, model))),
});

function overDense(
  rows: readonly BenchRow[],
  engine: BenchRow["engine"],
  shape: BenchRow["shape"],
  model: BenchRow["model"],
): Speedups["overDense"] {
  const ofModel = (name: BenchRow["model"]) =>
    rows.find((row) => row.engine === engine && row.shape === shape && row.model === name);
  const [dense, own] = [ofModel("dense"), ofModel(model)];
  if (dense === undefined || own === undefined || dense === own) return [];
  const step = dense.stepMs.median / own.stepMs.median;
  const forwardBackward = dense.forwardBackwardMs.median / own.forwardBackwardMs.median;
  const flops = dense.trainingFlops / own.trainingFlops;
  const shareOfFlops = { step: step / flops, forwardBackward: forwardBackward / flops };
  return [{ engine, shape, model, step, forwardBackward, flops, shareOfFlops }];
}

function oursOverPeers(
  rows: readonly BenchRow[],
  shape: BenchRow["shape"],
  model: BenchRow["model"],
): Speedups["oursOverPeers"] {
  const alike = rows.filter((row) => row.shape === shape && row.model === model);
  const ours = alike.find(({ engine }) => engine === "ours");
  const peers = alike.filter(({ engine }) => engine !== "ours");
  if (ours === undefined || peers.length === 0) return [];
  const over = (measure: Measure) => overPeers(ours, peers, measure);
  return [{ shape, model, step: over("stepMs"), forwardBackward: over("forwardBackwardMs") }];
}

function overPeers(ours: BenchRow, peers: readonly BenchRow[], measure: Measure): OverPeers {
  const ratio = (peer: BenchRow) => peer[measure].median / ours[measure].median;
  const fastest = peers.reduce((best, peer) => (ratio(peer) < ratio(best) ? peer : best));
  const old = peers.find(({ engine }) => engine === "pytorch-1.13");
  return { fastestPeer: fastest.engine, overFastest: ratio(fastest), overPyTorch113: old ? ratio(old) : null };
}
