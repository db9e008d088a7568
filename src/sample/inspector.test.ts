import { describe, expect, test } from "vitest";
import { evaluationWindows } from "../data/evaluationWindows.ts";
import { ByteTokenizer } from "../data/tokenizer/byteTokenizer.ts";
import { tokenByteLengths } from "../data/tokenizer/tokenizer.ts";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Rule } from "../model/rules.ts";
import { livelyParameters, tinyDense, tinyMod, tinyRandom } from "../model/testing/tinyModel.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { type Inspection, Inspector } from "./inspector.ts";

const runtime = nodeRuntime({ threads: 1 });
const tokenizer = new ByteTokenizer();
const change = { vocabSize: 257, seqLen: 16 };

async function inspect(model: ModelConfig, rule: Rule, text: string): Promise<Inspection> {
  const inspector = await Inspector.create({ model, tokenizer }, rule, runtime);
  const result = await inspector.inspect(text, livelyParameters(model));
  await inspector.dispose();
  return result;
}

const text = "kings walk under bridges";

describe("every token has its loss and entropy, every routed layer its weights", () => {
  const model = tinyMod({}, change);
  test.each(["topk", "predictor", "auxiliary", "through", "around"] as const)("%s", async (rule) => {
    const { tokens, layers } = await inspect(model, rule, text);
    expect(tokens.map((token) => token.text)).toEqual(["<|endoftext|>", ...text]);
    expect(tokens[0]).toMatchObject({ lossNats: null, entropyNats: null });
    for (const { lossNats, entropyNats } of tokens.slice(1)) {
      expect(lossNats).toBeGreaterThan(0);
      expect(entropyNats).toBeGreaterThan(0);
      expect(entropyNats).toBeLessThanOrEqual(Math.log(257) + 1e-6);
    }
    for (const layer of layers) {
      expect(layer.routedThrough).toHaveLength(tokens.length);
      if (layer.kind === "dense") expect([layer.routerWeights, layer.predictorLogits]).toEqual([null, null]);
      else expect([layer.routerWeights!.length, layer.predictorLogits!.length]).toEqual(Array(2).fill(tokens.length));
    }
  });

  test("what is routed follows from what is told", async () => {
    const auxiliary = await inspect(model, "auxiliary", text);
    const predictor = await inspect(model, "predictor", text);
    for (const i of [1, 3]) {
      expect(auxiliary.layers[i]!.routedThrough).toEqual(auxiliary.layers[i]!.routerWeights!.map((r) => r > 0));
      expect(predictor.layers[i]!.routedThrough).toEqual(predictor.layers[i]!.predictorLogits!.map((x) => x > 0));
    }
  });
});

test("losses are those of evaluation", async () => {
  const { Evaluator } = await import("../train/evaluate.ts");
  const model = tinyMod({}, change);
  const short = text.slice(0, 15);
  const expected: number[] = [];
  const evaluator = new Evaluator(model, tokenByteLengths(tokenizer), runtime);
  await evaluator.evaluate(evaluationWindows(tokenizer.encode(short), 16, 256), livelyParameters(model), {
    rules: ["auxiliary"],
    onToken: ({ lossNats }) => expected.push(lossNats.auxiliary!),
  });
  await evaluator.dispose();
  const { tokens } = await inspect(model, "auxiliary", short);
  // Evaluation has the same tokens before each: its window is the text after `<|endoftext|>`.
  expectClose(
    tokens.slice(1).map(({ lossNats }) => lossNats!),
    expected,
    1e-5,
    "losses",
  );
});

test("a model with random routing has weights and no predictor; a dense one neither", async () => {
  const random = await inspect(tinyRandom("linear", change), "random", text);
  expect(random.layers.map(({ predictorLogits }) => predictorLogits)).toEqual(Array(4).fill(null));
  expect(random.layers[1]!.routerWeights).toHaveLength(text.length + 1);
  const dense = await inspect(tinyDense(change), "through", text);
  expect(dense.layers.every(({ routerWeights }) => routerWeights === null)).toBe(true);
});
