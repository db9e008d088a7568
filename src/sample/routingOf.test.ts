import { expect, test } from "vitest";
import { ByteTokenizer } from "../data/tokenizer/byteTokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import { livelyParameters, tinyDense, tinyMod } from "../model/testing/tinyModel.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { CausalPass } from "./causalPass.ts";
import { routingOf } from "./routingOf.ts";

const runtime = nodeRuntime({ threads: 1 });
const savedOf = (model: ModelConfig): SavedModel => ({
  ...{
    dir: "",
    config: {} as SavedModel["config"],
    model,
    tokenizer: new ByteTokenizer(),
    step: 1,
    skipped: [],
    calibrations: {},
  },
  parameters: livelyParameters(model),
});
const mod = savedOf(tinyMod({}, { vocabSize: 257 }));

test("a text longer than the context keeps all its tokens, in order, after one end-of-text token", async () => {
  const text = "twenty-three characters";
  const { tokens, layers } = await routingOf(mod, text, "auxiliary", runtime);
  expect(tokens).toEqual(["<|endoftext|>", ...text]);
  for (const { routedThrough } of layers) expect(routedThrough).toHaveLength(text.length + 1);
});

test("dense layers compute all tokens, routed ones those of the pass", async () => {
  const { layers } = await routingOf(mod, "abcdefg", "auxiliary", runtime);
  const pass = await CausalPass.create(mod, "auxiliary", runtime);
  const { routedThrough } = await pass.run([256, ...Buffer.from("abcdefg")]);
  await pass.dispose();
  expect(layers.map(({ kind }) => kind)).toEqual(["dense", "mod", "dense", "mod"]);
  for (const { index, kind, routedThrough: got } of layers) {
    const tokens = routedThrough.find(({ layer }) => layer === index)?.tokens;
    expect(got).toEqual(kind === "dense" ? Array(8).fill(true) : Array.from(tokens!, (x) => x === 1));
  }
});

test("an empty text is the end-of-text token alone, in a dense model too", async () => {
  const dense = savedOf(tinyDense({ vocabSize: 257 }));
  for (const saved of [mod, dense]) {
    const { tokens, layers } = await routingOf(saved, "", "through", runtime);
    expect(tokens).toEqual(["<|endoftext|>"]);
    for (const { routedThrough } of layers) expect(routedThrough).toEqual([true]);
  }
});
