import { expect, test } from "vitest";
import { nodeRuntime } from "../runtime/node.ts";
import { rowCounts, timeProducts } from "./products.ts";
import { productsMs, realisedCapacity, weightBytes } from "./sampleLimit.ts";
import { productTimesSchema } from "./sampleProtocol.ts";
import { sampleSettingsOf } from "./shapes.ts";

const settings = (model: "dense" | "mod", batch: number, weights: "float32" | "int4" = "float32") =>
  sampleSettingsOf("8x256", { model, batch, prompt: 64, tokens: 256, threads: 1, weights });

/** Elements of a block and of the head of 8x256. */
const [BLOCK, HEAD] = [12 * 256 ** 2, 256 * 4096];

test("products are timed at powers of two and at the batch", () => {
  expect(rowCounts(1)).toEqual([1]);
  expect(rowCounts(16)).toEqual([1, 2, 4, 8, 16]);
  expect(rowCounts(12)).toEqual([1, 2, 4, 8, 12]);
});

test("a dense model's products take what was timed at the batch", () => {
  expect(productsMs(settings("dense", 4), { rows: [4], denseMs: [2] }, [])).toBe(2);
});

test("a routed block's products take the mean over the rows that were routed, and no row takes no time", () => {
  const all = 8 * BLOCK + HEAD;
  const share = { dense: (4 * BLOCK + HEAD) / all, routed: (4 * BLOCK) / all };
  const ms = (routedRows: number[]) =>
    productsMs(settings("mod", 4), { rows: [1, 2, 4], denseMs: [1, 3, 4] }, routedRows);
  expect(ms([10, 0, 0, 0, 0])).toBeCloseTo(4 * share.dense, 12);
  expect(ms([2, 1, 1, 0, 0])).toBeCloseTo(4 * share.dense + ((1 + 3) / 4) * share.routed, 12);
  expect(ms([0, 0, 0, 1, 0])).toBeCloseTo(4 * share.dense + 3.5 * share.routed, 12);
});

test("capacity is the share of tokens that routed blocks computed", () => {
  expect(realisedCapacity([2, 1, 1, 0, 0], 4)).toBe(3 / 16);
  expect(realisedCapacity([0, 5], 1)).toBe(1);
  expect(realisedCapacity([], 4)).toBeNull();
});

test("a step reads the weights of the blocks that compute something", () => {
  expect(weightBytes(settings("dense", 4), [])).toBe(4 * (8 * BLOCK + HEAD));
  expect(weightBytes(settings("mod", 4), [1, 2, 1, 0, 0])).toBe(4 * (7 * BLOCK + HEAD));
  expect(weightBytes(settings("dense", 4, "int4"), [])).toBe((8 * BLOCK + HEAD) / 2);
});

test("products are timed at every number of rows of a model with routed blocks, and of a dense one at the batch", async () => {
  const tiny = (model: "dense" | "mod", weights: "float32" | "int4" = "float32") =>
    sampleSettingsOf("tiny", { model, batch: 3, prompt: 4, tokens: 4, threads: 1, weights });
  const runtime = nodeRuntime({ threads: 1 });
  const { rows, denseMs } = productTimesSchema.parse(await timeProducts(tiny("mod"), runtime));
  expect(rows).toEqual([1, 2, 3]);
  expect(denseMs).toHaveLength(3);
  expect((await timeProducts(tiny("dense", "int4"), runtime)).rows).toEqual([3]);
});
