import { describe, expect, test } from "vitest";
import { countFlops } from "../graph/index.ts";
import type { ModelConfig } from "../model/config.ts";
import { expertModels, tinyDense, tinyMod, tinyRandom } from "../model/testing/tinyModel.ts";
import { gradientGraph } from "../train/graphs.ts";
import { forwardFlops, totalFlops, trainingFlops } from "./flops.ts";

const models: Record<string, ModelConfig> = {
  dense: tinyDense(),
  "dense, grouped heads, SwiGLU, tied head": tinyDense({ nHead: 4, nKvHead: 2, mlp: "swiglu", tiedHead: true }),
  mod: tinyMod(),
  "mod, every block, odd capacity": tinyMod({ capacityRatio: 0.3 }, { pattern: ["mod"], mlp: "gelu" }),
  "mod, no predictor": tinyMod({ predictor: null }),
  "mod, no auxiliary loss": tinyMod({ auxiliary: null }),
  random: tinyRandom("one"),
  ...expertModels(),
};

describe("training FLOPs = multiply-adds counted in the graph of a training step", () => {
  for (const [name, config] of Object.entries(models)) {
    test(name, () => {
      const batchSize = 3;
      const counted = countFlops(Object.values(gradientGraph(config, batchSize).outputs));
      expect(totalFlops(trainingFlops(config)) * batchSize).toBe(counted);
    });
  }
});

test("the formula for ordinary attention, an ungated MLP and a dense model", () => {
  const { seqLen: t, dModel: d, vocabSize: v, nLayer } = tinyDense();
  expect(totalFlops(forwardFlops(tinyDense()))).toBe(
    nLayer * (8 * t * d * d + 4 * t * t * d + 4 * t * d * 16) + 2 * d * v * t,
  );
});

test("training skips what is above the diagonal of blocks: 64 queries each, of 256 tokens 3/8 of the square", () => {
  const config = tinyDense({ seqLen: 256 });
  const { attention } = trainingFlops(config);
  const counted = countFlops(Object.values(gradientGraph(config, 1).outputs));
  expect(counted).toBe(totalFlops(trainingFlops(config)) - (3 / 8) * attention);
});
