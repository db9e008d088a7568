import { ENGINES } from "./document.ts";
import { MODELS } from "./protocol.ts";
import type { BenchRow, OverPeers, Speedups } from "./report.ts";
import { SHAPES } from "./shapes.ts";

type Measure = "stepMs" | "forwardBackwardMs";

/** Ratios of medians: Mixture-of-Depths over the dense model in each engine, and this package over its peers. */
export const speedups = (rows: readonly BenchRow[]): Speedups => ({
  modOverDense: SHAPES.flatMap((shape) => ENGINES.flatMap((engine) => modOverDense(rows, engine, shape))),
  oursOverPeers: SHAPES.flatMap((shape) => MODELS.flatMap((model) => oursOverPeers(rows, shape, model))),
});

function modOverDense(
  rows: readonly BenchRow[],
  engine: BenchRow["engine"],
  shape: BenchRow["shape"],
): Speedups["modOverDense"] {
  const ofModel = (model: BenchRow["model"]) =>
    rows.find((row) => row.engine === engine && row.shape === shape && row.model === model);
  const [dense, mod] = [ofModel("dense"), ofModel("mod")];
  if (dense === undefined || mod === undefined) return [];
  const step = dense.stepMs.median / mod.stepMs.median;
  const forwardBackward = dense.forwardBackwardMs.median / mod.forwardBackwardMs.median;
  const flops = dense.trainingFlops / mod.trainingFlops;
  const shareOfFlops = { step: step / flops, forwardBackward: forwardBackward / flops };
  return [{ engine, shape, step, forwardBackward, flops, shareOfFlops }];
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
