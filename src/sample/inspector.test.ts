import { expect, test } from "vitest";
import { ByteTokenizer } from "../data/tokenizer/byteTokenizer.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import { capacityOf, type ModelConfig } from "../model/config.ts";
import { livelyParameters, tinyDense, tinyMod, tinyMoe, tinyRandom } from "../model/testing/tinyModel.ts";
import { floats, int32 } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { type InspectableModel, inspectText } from "./inspector.ts";
import { surprise } from "./surprise.ts";

const runtime = nodeRuntime({ threads: 1 });
const modelOf = (model: ModelConfig): InspectableModel => ({
  ...{ model, tokenizer: new ByteTokenizer() },
  parameters: livelyParameters(model),
});
const mod = modelOf(tinyMod({}, { vocabSize: 257 }));
const TEXT = "abcdefg";

test("losses are those of the graph that evaluation uses", async () => {
  const { lossNats } = await inspectText(mod, TEXT, "auxiliary", runtime);
  const ids = [256, ...Buffer.from(TEXT)];
  const [tokens, targets] = [ids.slice(0, -1), ids.slice(1)].map((part) => Int32Array.from(part)) as [
    Int32Array,
    Int32Array,
  ];
  const width = tokens.length;
  const executor = await runtime.compile(causalGraph(mod.model, "auxiliary", "nll"));
  const batch = { tokens, lengths: [width], width, noiseKeys: [{ seed: 0, sequence: 0 }] };
  const feeds = { ...causalFeeds(batch, mod.model), targets: int32([1, width], targets), ...mod.parameters };
  const expected = floats(await executor.run(feeds), "nll");
  await executor.dispose();
  expect(lossNats[0]).toBeNull();
  for (const [i, nats] of expected.entries()) expect(lossNats[i + 1]).toBeCloseTo(nats, 4);
});

test("a rule that reads the router goes by its weights, the predictor's by its logits, whichever rule decides", async () => {
  const byWeight = await inspectText(mod, TEXT, "auxiliary", runtime);
  const byLogit = await inspectText(mod, TEXT, "predictor", runtime);
  for (const { kind, routedThrough, routerWeights, predictorLogits } of byWeight.layers) {
    if (kind === "dense") expect([routerWeights, predictorLogits]).toEqual([undefined, undefined]);
    else expect(routedThrough).toEqual(routerWeights!.map((r) => r > 0));
    if (kind !== "dense") expect(predictorLogits).toHaveLength(routedThrough.length);
  }
  for (const { kind, routedThrough, predictorLogits } of byLogit.layers) {
    if (kind !== "dense") expect(routedThrough).toEqual(predictorLogits!.map((logit) => logit > 0));
  }
});

test("the top tokens of a window are as many as its capacity, and have its largest weights", async () => {
  const { layers } = await inspectText(mod, TEXT, "topk", runtime);
  const { routing } = mod.model;
  const capacity = capacityOf(routing.kind === "learned" ? routing.capacityRatio : 1, TEXT.length + 1);
  for (const { kind, top, routerWeights, routedThrough } of layers) {
    if (kind === "dense") continue;
    expect(top).toEqual(routedThrough);
    const chosen = routerWeights!.filter((_, i) => top![i]);
    const left = routerWeights!.filter((_, i) => !top![i]);
    expect(chosen).toHaveLength(capacity);
    expect(Math.min(...chosen)).toBeGreaterThanOrEqual(Math.max(...left));
  }
});

test("a text longer than the context is read in windows; every list has an entry for each token", async () => {
  const text = "twenty-three characters";
  const { tokens, windows, lossNats, entropyNats, layers } = await inspectText(mod, text, "predictor", runtime);
  const size = mod.model.seqLen - 1;
  expect(windows).toEqual(
    Array.from({ length: Math.ceil(text.length / size) }, (_, i) => (i === 0 ? 0 : i * size + 1)),
  );
  for (const list of [lossNats, entropyNats]) {
    expect(list).toHaveLength(tokens.length);
    // Only the very first is foretold by nothing: the first of a later window follows the end-of-text token.
    expect(list.map((value) => value === null)).toEqual(tokens.map((_, i) => i === 0));
  }
  for (const layer of layers) {
    for (const list of [layer.routedThrough, layer.routerWeights, layer.top, layer.predictorLogits]) {
      if (list !== undefined) expect(list).toHaveLength(tokens.length);
    }
  }
});

test("a dense model has neither weights nor logits to tell of", async () => {
  const { layers } = await inspectText(modelOf(tinyDense({ vocabSize: 257 })), TEXT, "through", runtime);
  for (const { routedThrough, routerWeights } of layers) {
    expect(routedThrough).toEqual(Array(TEXT.length + 1).fill(true));
    expect(routerWeights).toBeUndefined();
  }
});

test("surprise: uniform logits have the entropy ln V, sure ones none; large logits do not overflow", () => {
  const uniform = surprise(new Float32Array(8).fill(500), 3);
  expect(uniform.lossNats).toBeCloseTo(Math.log(8), 6);
  expect(uniform.entropyNats).toBeCloseTo(Math.log(8), 6);
  const sure = surprise(Float32Array.of(0, 100, 0), 0);
  expect(sure.lossNats).toBeCloseTo(100, 4);
  expect(sure.entropyNats).toBeCloseTo(0, 6);
});

test("a model with random routing has weights and no predictor", async () => {
  const { layers } = await inspectText(modelOf(tinyRandom("linear", { vocabSize: 257 })), TEXT, "random", runtime);
  expect(layers.every(({ predictorLogits }) => predictorLogits === undefined)).toBe(true);
  expect(layers[1]!.routerWeights).toHaveLength(TEXT.length + 1);
});

test("experts: the numbers of those that computed each token, and how they are used", async () => {
  const moe = modelOf(tinyMoe({ noOps: 2 }, { vocabSize: 257 }));
  const { layers, expertUse } = await inspectText(moe, TEXT, "through", runtime);
  expect(layers.map(({ experts }) => experts?.length)).toEqual([undefined, 8, undefined, 8]);
  for (const { layer, load, noOps } of expertUse!) {
    const { experts } = layers[layer]!;
    for (const [expert, share] of load.entries())
      expect(share).toBeCloseTo(experts!.filter((numbers) => numbers.includes(expert)).length / 8, 6);
    expect(noOps).toBeCloseTo(experts!.filter((numbers) => numbers.length === 0).length / 8, 6);
  }
});
