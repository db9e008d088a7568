import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import type { CausalRule } from "../model/causalRule.ts";
import { type ModelConfig, routedLayers } from "../model/config.ts";
import { causalRule, graphRule } from "../model/rules.ts";
import { expertModels, livelyParameters, tinyDense, tinyMod, tinyRandom } from "../model/testing/tinyModel.ts";
import { randomBelow } from "../random.ts";
import { type Executor, floats, type HostTensors } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { Decoder } from "./decoder.ts";

const runtime = nodeRuntime({ threads: 1 });
const context = { seqLen: 96, vocabSize: 11 };

/** Against the plain forward pass, float32. */
const TOLERANCE = 1e-4;

const learnedRules: CausalRule[] = ["predictor", "auxiliary", "through", "around", "random"];
const cases: [string, ModelConfig, CausalRule][] = [
  ["dense", tinyDense(context), "through"],
  [
    "dense, grouped heads, SwiGLU, tied head",
    tinyDense({ ...context, nKvHead: 1, mlp: "swiglu", tiedHead: true }),
    "through",
  ],
  ...learnedRules.map((rule): [string, ModelConfig, CausalRule] => [`mod, ${rule}`, tinyMod({}, context), rule]),
  ...(["sigmoid", "tanh", "one"] as const).map((gate): [string, ModelConfig, CausalRule] => [
    `mod, gate ${gate}`,
    tinyMod({ gate }, { ...context, nKvHead: 1 }),
    "auxiliary",
  ]),
  ["mod, every block routed", tinyMod({}, { ...context, pattern: ["mod"] }), "predictor"],
  ["random routing", tinyRandom("linear", context), "random"],
  ["random routing, gate one", tinyRandom("one", context), "random"],
  ...Object.entries(expertModels(context)).map(([name, model]): [string, ModelConfig, CausalRule] => [
    name,
    model,
    graphRule(causalRule(model)!) as CausalRule,
  ]),
];

const noiseOf = (sequence: number) => ({ seed: 5, sequence });

/** Text of a sequence: any ids. */
const textOf = (sequence: number, length: number): number[] =>
  Array.from({ length }, (_, i) => randomBelow(context.vocabSize, 99, sequence, i));

describe.each(cases)("%s", (_, model, rule) => {
  const parameters = livelyParameters(model);
  let plain: Executor;
  let decoder: Decoder;
  beforeAll(async () => {
    plain = await runtime.compile(causalGraph(model, rule, "logits"));
    decoder = await Decoder.create(model, parameters, { rule, runtime });
  });
  afterAll(async () => {
    await plain.dispose();
    await decoder.dispose();
  });

  /** The plain forward pass over a whole text. */
  function forward(sequence: number, length: number): Promise<HostTensors> {
    const tokens = Int32Array.from(textOf(sequence, length));
    const batch = { tokens, lengths: [length], width: length, noiseKeys: [noiseOf(sequence)] };
    return plain.run({ ...causalFeeds(batch, model), ...parameters });
  }

  const row = (outputs: HostTensors, position: number) =>
    floats(outputs, "logits").slice(position * model.vocabSize, (position + 1) * model.vocabSize);

  const add = (sequence: number, length: number) => decoder.add(textOf(sequence, length), noiseOf(sequence));

  /** Largest difference of two rows of logits. */
  const distance = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

  test.each([1, 2, 3, 7, 40])("cached is uncached, after a prompt of %i", async (promptLength) => {
    const length = 72;
    const expected = await forward(1, length);
    const decisions = routedLayers(model).map((_, i) => expected[`routedThrough.${i}`]!.data as Uint8Array);
    let output = await add(1, promptLength);
    expect(distance(output.logits, row(expected, promptLength - 1))).toBeLessThan(TOLERANCE);
    expect(output.routedThrough).toEqual(decisions.map((decision) => decision.slice(0, promptLength)));
    for (let position = promptLength; position < length; position++) {
      output = await decoder.step(Int32Array.of(textOf(1, length)[position]!));
      expect(distance(output.logits, row(expected, position))).toBeLessThan(TOLERANCE);
      expect(output.routedThrough).toEqual(decisions.map((decision) => decision.slice(position, position + 1)));
    }
    const computed = decisions.map((decision) => decision.reduce((total, one) => total + one, 0));
    const routed = routedLayers(model);
    const { tokens, caches } = decoder.lengths(0);
    expect(tokens).toBe(length);
    expect(caches).toEqual(caches.map((_, layer) => computed[routed.indexOf(layer)] ?? length));
    decoder.remove(0);
  });

  // An expert computes its tokens as one product, whose last digits depend on how many they are.
  const sameness = model.experts ? "but for rounding" : "bit by bit";
  const expectSame = (actual: Float32Array, expected: Float32Array) =>
    model.experts ? expectClose(actual, expected, 1e-5) : expect(actual).toEqual(expected);

  test(`a sequence gets the same logits, ${sameness}, alone and among others that come and go`, async () => {
    const length = 70;
    const alone: Float32Array[] = [(await add(1, 2)).logits];
    for (let i = 2; i < length; i++) alone.push((await decoder.step(Int32Array.of(textOf(1, length)[i]!))).logits);
    decoder.remove(0);

    // Sequences by number, in the order of the decoder's batch; number 1 is the one that is watched.
    const batch = [{ sequence: 2, length: 30 }];
    await add(2, 30);
    expectSame((await add(1, 2)).logits, alone[0]!);
    batch.push({ sequence: 1, length: 2 });
    let next = 3;
    for (let i = 2; i < length; i++) {
      const draw = randomBelow(8, 4, i);
      if (draw < 3 && batch.length < 6) {
        const joined = { sequence: next++, length: 1 + randomBelow(20, 6, i) };
        await add(joined.sequence, joined.length);
        batch.push(joined);
      }
      const leaver = batch.findIndex(
        ({ sequence, length }) => sequence !== 1 && (draw === 7 || length === model.seqLen),
      );
      if (leaver !== -1) {
        decoder.remove(leaver);
        const last = batch.pop()!;
        if (leaver < batch.length) batch[leaver] = last;
      }
      const tokens = batch.map(({ sequence, length }) => textOf(sequence, length + 1)[length]!);
      const { logits } = await decoder.step(Int32Array.from(tokens));
      const at = batch.findIndex(({ sequence }) => sequence === 1) * model.vocabSize;
      expectSame(logits.slice(at, at + model.vocabSize), alone[i - 1]!);
      for (const member of batch) member.length++;
    }
    while (decoder.size > 0) decoder.remove(0);
    expect(next).toBeGreaterThan(6);
  });

  test("what a batch computes is what each text gets alone", async () => {
    const lengths = [1, 5, 33];
    for (const [sequence, length] of lengths.entries()) await add(sequence, length);
    for (let step = 0; step < 20; step++) {
      const tokens = lengths.map((length, sequence) => textOf(sequence, length + step + 1).at(-1)!);
      const { logits } = await decoder.step(Int32Array.from(tokens));
      if (step % 10 !== 9) continue;
      for (const [sequence, length] of lengths.entries()) {
        const expected = row(await forward(sequence, length + step + 1), length + step);
        const got = logits.slice(sequence * model.vocabSize, (sequence + 1) * model.vocabSize);
        expect(distance(got, expected)).toBeLessThan(TOLERANCE);
      }
    }
    while (decoder.size > 0) decoder.remove(0);
  });

  test("a full context is an error, and the last token before it is none", async () => {
    await add(1, model.seqLen - 1);
    await decoder.step(Int32Array.of(3));
    await expect(decoder.step(Int32Array.of(3))).rejects.toThrow("must have room in its context of 96, got none");
    decoder.remove(0);
    await expect(decoder.add([])).rejects.toThrow("must have 1 to seqLen=96 tokens, got 0");
    await expect(decoder.step(Int32Array.of(3))).rejects.toThrow("a token for each of 0 sequences, got 1");
  });
});
