import { describe, expect, test } from "vitest";
import { ByteTokenizer } from "../data/tokenizer/byteTokenizer.ts";
import type { Tokenizer } from "../data/tokenizer/tokenizer.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import type { CausalRule } from "../model/causalRule.ts";
import type { ModelConfig } from "../model/config.ts";
import { livelyParameters, tinyDense, tinyMod, tinyRandom } from "../model/testing/tinyModel.ts";
import { hashText, uniform } from "../random.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { float32, floats } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { type GenerateOptions, generate } from "./generate.ts";
import type { GeneratedToken } from "./generator.ts";
import { SAMPLER_DEFAULTS, sampleToken } from "./sampler.ts";

const runtime = nodeRuntime({ threads: 1 });
const bytes = { vocabSize: 257 };

/** A model as if it had been opened from a folder. */
const savedOf = (model: ModelConfig, tokenizer: Tokenizer = new ByteTokenizer()): SavedModel => ({
  ...{ dir: "runs/tiny", config: {} as SavedModel["config"], model, tokenizer, step: 1, skipped: [], calibrations: {} },
  parameters: livelyParameters(model),
});

const models = {
  dense: savedOf(tinyDense(bytes)),
  mod: savedOf(tinyMod({}, bytes)),
  random: savedOf(tinyRandom("linear", bytes)),
};

async function generateAll(saved: SavedModel, prompt: string, options: GenerateOptions): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of generate(saved, prompt, runtime, options)) tokens.push(token);
  return tokens;
}

/** The same token by token, from the graph without a cache. */
async function handMade(saved: SavedModel, prompt: string, rule: CausalRule, count: number, seed: number) {
  const { model, tokenizer } = saved;
  const executor = await runtime.compile(causalGraph(model, rule, "logits"));
  const sequence = [tokenizer.endOfText, ...tokenizer.encode(prompt)];
  const generated = [];
  let start = 0;
  for (let i = 0; i < count; i++) {
    if (sequence.length - start > model.seqLen) start = sequence.length - model.seqLen / 2;
    const seen = Int32Array.from(sequence.slice(start));
    const batch = { tokens: seen, lengths: [seen.length], width: seen.length, noiseKeys: [{ seed, sequence: 0 }] };
    const outputs = await executor.run({ ...causalFeeds(batch, model), ...saved.parameters });
    const logits = floats(outputs, "logits").slice(-model.vocabSize);
    const { id, logProbability } = sampleToken(logits, SAMPLER_DEFAULTS, uniform(hashText("sampling"), seed, i));
    const routedLayers = [1, 3].filter((_, layer) => outputs[`routedThrough.${layer}`]?.data.at(-1) === 1);
    generated.push({ id, logProbability: expect.closeTo(logProbability, 4), routedLayers });
    if (id === tokenizer.endOfText) break;
    sequence.push(id);
  }
  await executor.dispose();
  return generated;
}

const ownRules = { dense: "through", mod: "predictor", random: "random" } as const;

describe("equals a loop made by hand, past the context of 8 tokens too", () => {
  test.each(Object.keys(models) as (keyof typeof models)[])("%s", async (name) => {
    for (const prompt of ["", "abc", "a prompt of more than eight bytes"]) {
      const got = await generateAll(models[name], prompt, { tokens: 12, seed: 4 });
      const expected = await handMade(models[name], prompt, ownRules[name], 12, 4);
      expect(got.map(({ text: _, finish: __, ...rest }) => rest)).toEqual(expected);
    }
  });

  test("mod, by the rule that is asked for", async () => {
    const got = await generateAll(models.mod, "abc", { tokens: 12, seed: 4, rule: "auxiliary" });
    expect(got.map(({ text: _, finish: __, ...rest }) => rest)).toEqual(
      await handMade(models.mod, "abc", "auxiliary", 12, 4),
    );
  });
});

test("the same seed gives the same text, another seed another", async () => {
  for (const saved of Object.values(models)) {
    const textOf = async (seed: number) => (await generateAll(saved, "ab", { tokens: 12, seed })).map(({ id }) => id);
    expect(await textOf(1)).toEqual(await textOf(1));
    expect(await textOf(2)).not.toEqual(await textOf(1));
  }
});

test("temperature 0 does not depend on the seed, for a model that draws nothing itself", async () => {
  const idsOf = async (seed: number) =>
    (await generateAll(models.mod, "ab", { tokens: 6, seed, temperature: 0 })).map(({ id }) => id);
  expect(await idsOf(1)).toEqual(await idsOf(2));
});

test("an abort ends it after the token under way", async () => {
  const stop = new AbortController();
  let count = 0;
  for await (const _ of generate(models.mod, "ab", runtime, { tokens: 50, seed: 1, signal: stop.signal })) {
    if (++count === 3) stop.abort();
  }
  expect(count).toBe(3);
});

test("0 tokens, or an abort before the first, give none", async () => {
  expect(await generateAll(models.dense, "ab", { tokens: 0 })).toEqual([]);
  expect(await generateAll(models.dense, "ab", { signal: AbortSignal.abort() })).toEqual([]);
});

/** Bytes whose tokens mean something else: `endOfText`, or the bytes that come one after the other whatever the ids. */
function tokenizerWith({ endOfText = 256, text = "" }): Tokenizer {
  const tokenizer = new ByteTokenizer();
  const encoded = new TextEncoder().encode(text);
  let next = 0;
  const tokenBytes = (id: number) => (text === "" ? tokenizer.tokenBytes(id) : encoded.slice(next, ++next));
  const encode = (prompt: string) => tokenizer.encode(prompt);
  return { ...tokenizer, endOfText, tokenBytes, encode } as unknown as Tokenizer;
}

test("the end of the document ends the text, and is no part of it", async () => {
  const saved = savedOf(tinyDense(bytes), tokenizerWith({ endOfText: 0 }));
  const finalNorm = float32([8], new Float32Array(8));
  const tied = { ...saved, parameters: { ...saved.parameters, "value.finalNorm": finalNorm } };
  // With all logits equal the most likely token is the first.
  expect(await generateAll(tied, "ab", { tokens: 5, temperature: 0 })).toEqual([
    { id: 0, text: "", logProbability: expect.closeTo(-Math.log(257), 5), routedLayers: [], finish: "end" },
  ]);
});

describe("text of a token", () => {
  test("a character of several tokens comes with the last of them", async () => {
    const saved = savedOf(tinyDense(bytes), tokenizerWith({ text: "aé€😀!" }));
    const texts = (await generateAll(saved, "", { tokens: 11, temperature: 0 })).map(({ text }) => text);
    expect(texts).toEqual(["a", "", "é", "", "", "€", "", "", "", "😀", "!"]);
  });

  test("a byte order mark is a character like any other", async () => {
    const saved = savedOf(tinyDense(bytes), tokenizerWith({ text: "\uFEFFx" }));
    const texts = (await generateAll(saved, "", { tokens: 4, temperature: 0 })).map(({ text }) => text);
    expect(texts.join("")).toBe("\uFEFFx");
  });
});

describe("a rule that the model was not trained for is an error that says so", () => {
  const without = (change: object) => savedOf(tinyMod(change, bytes));
  test.each<[string, SavedModel, CausalRule | undefined, string]>([
    [
      "no predictor",
      without({ predictor: null }),
      "predictor",
      'must be trained with a predictor to use the rule "predictor"',
    ],
    [
      "no auxiliary loss",
      without({ auxiliary: null }),
      "auxiliary",
      'must be trained with an auxiliary loss to use the rule "auxiliary"',
    ],
    ["dense", models.dense, "predictor", 'must be trained with a predictor to use the rule "predictor"'],
    ["random", models.random, "auxiliary", 'must be trained with an auxiliary loss to use the rule "auxiliary"'],
    [
      "neither, none asked for",
      without({ predictor: null, auxiliary: null }),
      undefined,
      "must be trained with an auxiliary loss or a predictor wherever later tokens have a say",
    ],
  ])("%s", async (_, saved, rule, message) => {
    await expect(generateAll(saved, "ab", { tokens: 1, ...(rule && { rule }) })).rejects.toThrow(message);
  });

  test("without a predictor the auxiliary rule is the model's own", async () => {
    const saved = without({ predictor: null });
    const idsOf = async (options: GenerateOptions) => (await generateAll(saved, "ab", options)).map(({ id }) => id);
    expect(await idsOf({ tokens: 4 })).toEqual(await idsOf({ tokens: 4, rule: "auxiliary" }));
  });
});
