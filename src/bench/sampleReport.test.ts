import { expect, test } from "vitest";
import type { WeightFormat } from "../model/weights.ts";
import type { EngineName } from "./document.ts";
import type { ModelName } from "./protocol.ts";
import { meanStep, sampleRow, sampleSpeedups } from "./sampleReport.ts";
import { sampleSettingsOf } from "./shapes.ts";
import { median } from "./statistics.ts";

interface Keys {
  readonly engine?: EngineName;
  readonly model?: ModelName;
  readonly weights?: WeightFormat;
  readonly batch?: number;
}

function row(ms: number, { engine = "ours", model = "dense", weights = "float32", batch = 2 }: Keys = {}) {
  const settings = sampleSettingsOf("8x256", { model, batch, prompt: 64, tokens: 256, threads: 2, weights });
  const products = { rows: [1, 2], denseMs: [8, 17] };
  const routedRows = model === "dense" ? [] : [1, 1, 0];
  const segments = (msPerToken: number) => [
    { firstTokenMs: 7, stepMs: [msPerToken - 2, msPerToken], isLast: false, kvMiB: 2, routedRows, products: null },
    {
      ...{ firstTokenMs: null, stepMs: [msPerToken + 2], isLast: true, kvMiB: 3 },
      routedRows: model === "dense" ? [] : [1, 0, 1],
      products: engine === "ours" ? products : null,
    },
  ];
  return sampleRow({
    ...{ engine, shape: "8x256", settings, chosen: {}, ready: { version: "1", threads: 1 } },
    turns: [ms, ms + 1, ms - 1].flatMap(segments),
  });
}

test("a row's speeds are those of the median token step, of all sequences together", () => {
  const { msPerToken, tokensPerSecond, threads, firstTokenMs } = row(20);
  expect(msPerToken).toEqual({ median: 20, min: 19 });
  expect({ tokensPerSecond, threads, firstTokenMs }).toEqual({ tokensPerSecond: 100, threads: 1, firstTokenMs: 7 });
});

test("a disturbance of single steps does not count where other rounds went without", () => {
  const rounds = [
    [1, 90, 3],
    [1, 2, 70],
    [50, 2, 3],
  ];
  expect(meanStep(rounds, median)).toBe(2);
  expect(meanStep(rounds, (times) => Math.min(...times))).toBe(2);
});

test("the limit is that of the rows which were routed, and is told where products were measured", () => {
  expect(row(34)).toMatchObject({ realisedCapacity: null, limitMs: 17, limitShare: 0.5 });
  const mod = row(24, { model: "mod" });
  expect(mod.realisedCapacity).toBe(3 / 8);
  // Blocks are 6/7 of the weights, half of them routed.
  expect(mod.limitMs).toBeCloseTo(17 * (4 / 7) + ((8 + 17) / 4) * (3 / 7), 9);
  expect(mod.limitShare).toBeCloseTo(mod.limitMs! / 24, 12);
  expect(row(24, { engine: "pytorch" })).toMatchObject({ limitMs: null, limitShare: null });
});

test("weights over time is a bandwidth", () => {
  expect(row(10).weightBandwidth).toBeCloseTo((4 * (8 * 12 * 256 ** 2 + 256 * 4096)) / 10 / 1e6, 9);
});

test("rows are compared with the dense model, with float32 and with peers, of the same batch", () => {
  const rows = [
    row(20),
    row(10, { model: "mod" }),
    row(5, { model: "mod", weights: "int8" }),
    row(30, { engine: "pytorch", model: "mod" }),
    row(90, { model: "mod", batch: 4 }),
  ];
  const compared = sampleSpeedups(rows).map(({ engine, model, weights, batch, over, ratio }) => [
    ...[engine, model, weights, batch, over, ratio],
  ]);
  expect(compared).toEqual([
    ["ours", "mod", "float32", 2, "dense", 2],
    ["ours", "mod", "float32", 2, "pytorch", 3],
    ["ours", "mod", "int8", 2, "float32", 2],
  ]);
  const [dense, peer] = sampleSpeedups(rows);
  expect(dense!.productsRatio).toBeCloseTo(rows[0]!.limitMs! / rows[1]!.limitMs!, 12);
  expect(dense!.shareOfProducts).toBeCloseTo(2 / dense!.productsRatio!, 12);
  expect(peer).toMatchObject({ productsRatio: null, shareOfProducts: null });
});
