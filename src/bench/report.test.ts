import { expect, test } from "vitest";
import { totalFlops, trainingFlops } from "../flops/flops.ts";
import { derived } from "../model/config.ts";
import type { EngineName } from "./document.ts";
import type { ModelName } from "./protocol.ts";
import { type BenchRow, benchRow } from "./report.ts";
import { modelConfig, type ShapeName, settingsOf } from "./shapes.ts";
import { speedups } from "./speedups.ts";

interface Times {
  readonly step: number;
  readonly forwardBackward: number;
}

const row = (engine: EngineName, model: ModelName, { step, forwardBackward }: Times, shape: ShapeName = "8x256") =>
  benchRow({
    ...{ engine, shape, settings: settingsOf(shape, model, 2) },
    ready: { version: "1", threads: 2, losses: [8, 7], peakMiB: 100 },
    stepMs: [step, step - 1, step + 1],
    forwardBackwardMs: [forwardBackward],
  });

const flopsOf = (shape: ShapeName, model: ModelName) => {
  const settings = settingsOf(shape, model, 2);
  return totalFlops(trainingFlops(modelConfig(settings))) * settings.batch;
};

test("shapes are those of the documentation", () => {
  const dense = settingsOf("8x512", "dense", 2);
  expect(dense).toMatchObject({
    batch: 2,
    seqLen: 1024,
    dModel: 512,
    nLayer: 8,
    nHead: 8,
    dMlp: 2048,
    vocabSize: 4096,
  });
  expect(dense).toMatchObject({ capacity: 1024, predictorWidth: 0 });
  const mod = settingsOf("8x256", "mod", 1);
  expect(mod).toMatchObject({ batch: 8, seqLen: 256, dModel: 256, nHead: 4, dMlp: 1024, capacity: 32, threads: 1 });
  expect(mod.predictorWidth).toBeGreaterThan(0);
  expect(derived(modelConfig(mod)).nRouted).toBe(4);
});

test("batch and sequence length can be others, and capacity follows", () => {
  expect(settingsOf("8x256", "mod", 2, { batch: 1, seqLen: 64 })).toMatchObject({ batch: 1, seqLen: 64, capacity: 8 });
  expect(settingsOf("8x256", "mod", 2, { batch: undefined, seqLen: undefined })).toEqual(settingsOf("8x256", "mod", 2));
});

test("a row's speeds are those of the median step", () => {
  const {
    stepMs,
    tokensPerSecond,
    gflops,
    trainingFlops: flops,
  } = row("ours", "dense", { step: 500, forwardBackward: 400 });
  expect(stepMs).toEqual({ median: 500, min: 499 });
  expect(tokensPerSecond).toBe((8 * 256) / 0.5);
  expect(flops).toBe(flopsOf("8x256", "dense"));
  expect(gflops).toBeCloseTo(flops / 0.5 / 1e9, 9);
});

test("settings are told where there are any, and threads are those the process has", () => {
  expect(row("ours", "dense", { step: 5, forwardBackward: 4 })).not.toHaveProperty("settings");
  const settings = settingsOf("tiny", "dense", 2);
  const chosen = { openblas: "openmp" };
  const ready = { version: "1.13.0", threads: 1, losses: [4, 3] as [number, number], peakMiB: 1 };
  const times = { stepMs: [1], forwardBackwardMs: [1] };
  const peer = benchRow({ engine: "pytorch-1.13", shape: "tiny", settings, chosen, ready, ...times });
  expect(peer).toMatchObject({ settings: chosen, threads: 1, version: "1.13.0", lossNats: [4, 3] });
});

const ROWS: readonly BenchRow[] = [
  row("ours", "dense", { step: 600, forwardBackward: 500 }),
  row("ours", "mod", { step: 400, forwardBackward: 250 }),
  row("pytorch-1.13", "dense", { step: 1200, forwardBackward: 1000 }),
  row("pytorch", "dense", { step: 900, forwardBackward: 450 }),
  row("jax", "dense", { step: 800, forwardBackward: 700 }),
  row("jax", "dense", { step: 10, forwardBackward: 10 }, "8x512"),
];

test("mod over dense stands next to the ratio of FLOPs, for engines that have both", () => {
  const { overDense } = speedups(ROWS);
  expect(overDense).toHaveLength(1);
  const flops = flopsOf("8x256", "dense") / flopsOf("8x256", "mod");
  expect(overDense[0]).toMatchObject({ engine: "ours", shape: "8x256", step: 1.5, forwardBackward: 2, flops });
  expect(overDense[0]!.shareOfFlops).toEqual({ step: 1.5 / flops, forwardBackward: 2 / flops });
});

test("ours is compared with the fastest peer of each measure and with PyTorch 1.13, within one shape", () => {
  expect(speedups(ROWS).oursOverPeers).toEqual([
    {
      ...{ shape: "8x256", model: "dense" },
      step: { fastestPeer: "jax", overFastest: 800 / 600, overPyTorch113: 2 },
      forwardBackward: { fastestPeer: "pytorch", overFastest: 0.9, overPyTorch113: 2 },
    },
  ]);
  const without = speedups(ROWS.filter(({ engine }) => engine !== "pytorch-1.13"));
  expect(without.oursOverPeers[0]!.step.overPyTorch113).toBeNull();
  expect(speedups(ROWS.slice(0, 2)).oursOverPeers).toEqual([]);
});
