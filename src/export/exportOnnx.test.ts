import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { evaluationWindows } from "../data/evaluationWindows.ts";
import { ByteTokenizer } from "../data/tokenizer/byteTokenizer.ts";
import type { OnnxTarget } from "../graph/index.ts";
import type { CausalRule } from "../model/causalRule.ts";
import { derived, layerKinds, type ModelConfig, routedLayers } from "../model/config.ts";
import { routingNoise } from "../model/noise.ts";
import { evaluationRule } from "../model/rules.ts";
import { livelyParameters, tinyDense, tinyMod, tinyMode, tinyMoe, tinyRandom } from "../model/testing/tinyModel.ts";
import type { WeightFormat } from "../model/weights.ts";
import { randomBelow } from "../random.ts";
import type { HostTensor } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { Decoder } from "../sample/decoder.ts";
import { LayerCache } from "../sample/kvCache.ts";
import { exportOnnx } from "./exportOnnx.ts";
import type { ModelDescription } from "./modelDescription.ts";
import { NOT_MEASURED, quantizationLoss } from "./quantizationLoss.ts";

const runtime = nodeRuntime({ threads: 1 });
const tokenizer = new ByteTokenizer();
const size = { seqLen: 48, vocabSize: tokenizer.vocabSize, dModel: 32, dMlp: 64 };
const folder = mkdtempSync(path.join(tmpdir(), "mod-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TARGETS: readonly OnnxTarget[] = ["standard", "onnxruntime"];
const MODELS: Readonly<Record<string, readonly [ModelConfig, CausalRule]>> = {
  dense: [tinyDense({ ...size, mlp: "gelu" }), "through"],
  predictor: [tinyMod({}, size), "predictor"],
  auxiliary: [tinyMod({}, { ...size, mlp: "swiglu", nKvHead: 1, tiedHead: true }), "auxiliary"],
  random: [tinyRandom("linear", size), "random"],
  moe: [tinyMoe({ noOps: 1, perToken: 2 }, { ...size, mlp: "swiglu" }), "through"],
  mode: [tinyMode({ choice: "expert" }, size), "predictor"],
};

const savedModel = (model: ModelConfig) => ({ model, tokenizer, parameters: livelyParameters(model), step: 7 });

/** An export opened with nothing but ONNX Runtime. */
async function exported(name: string, target: OnnxTarget, weights: WeightFormat = "float32") {
  const [model, rule] = MODELS[name]!;
  const dir = path.join(folder, `${name}-${target}-${weights}`);
  exportOnnx(dir, savedModel(model), {
    ...{ rule, target, weights, bitsPerByte: NOT_MEASURED, packageVersion: "1.2.3" },
    force: true,
  });
  const open = (file: string) =>
    ort.InferenceSession.create(path.join(dir, file), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const description: ModelDescription = JSON.parse(readFileSync(path.join(dir, "model.json"), "utf8"));
  return { dir, description, forward: await open("forward.onnx"), step: await open("step.onnx") };
}
type Exported = Awaited<ReturnType<typeof exported>>;

const int64 = (values: readonly number[]) =>
  new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [values.length]);
const ofHost = ({ data, shape }: HostTensor) => new ort.Tensor("float32", data as Float32Array, shape);
const toHost = (tensor: ort.Tensor): HostTensor => ({
  ...{ dtype: "float32", shape: tensor.dims },
  data: tensor.data as Float32Array,
});

function decisionFeeds({ description, forward }: Exported, session: ort.InferenceSession, noise: Float32Array) {
  const { thresholds } = description;
  const rows = noise.length / Math.max(1, thresholds.length);
  const sequences = session === forward ? 1 : rows;
  const all = Array.from({ length: sequences }, () => thresholds).flat();
  return {
    ...(thresholds.length > 0 && { thresholds: new ort.Tensor("float32", all, [sequences, thresholds.length]) }),
    ...(session.inputNames.includes("noise") && { noise: new ort.Tensor("float32", noise, [rows, thresholds.length]) }),
  };
}

/** The forward file on one text. */
function runForward(files: Exported, tokens: readonly number[], sequence: number) {
  const noise = routingNoise([{ seed: 0, sequence }], tokens.length, files.description.thresholds.length);
  return files.forward.run({
    tokens: new ort.Tensor("int32", Int32Array.from(tokens), [1, tokens.length]),
    ...decisionFeeds(files, files.forward, noise),
  });
}

const floats = (tensor: ort.Tensor | undefined) => tensor!.data as Float32Array;
/** The largest difference, in largest magnitudes. */
const distance = (a: Float32Array, b: Float32Array) =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!))) / Math.max(...b.map(Math.abs));
const TOLERANCE = 3e-5;
const textOf = (sequence: number, length: number) => Array.from({ length }, (_, i) => randomBelow(257, 9, sequence, i));

describe.each(Object.keys(MODELS))("%s", (name) => {
  const [model, rule] = MODELS[name]!;
  const kinds = layerKinds(model);
  const routed = routedLayers(model);

  test.each(TARGETS)("%s: two texts decode together as the Decoder's do", async (target) => {
    const files = await exported(name, target);
    const decoder = await Decoder.create(model, livelyParameters(model), { rule, runtime });
    const { nKvHead, headDim } = derived(model);
    const caches = kinds.map(() => new LayerCache(nKvHead, headDim));
    const lengths = [5, 11];
    for (const [sequence, length] of lengths.entries()) {
      const outputs = await runForward(files, textOf(sequence, length), sequence);
      const expected = await decoder.add(textOf(sequence, length), { seed: 0, sequence });
      expect(outputs.logits!.dims).toEqual([1, length, model.vocabSize]);
      expect(distance(floats(outputs.logits).slice(-model.vocabSize), expected.logits)).toBeLessThan(TOLERANCE);
      expect(routed.map((layer) => outputs[`routedThrough.${layer}`]!.data)).toEqual(expected.routedThrough);
      for (const [layer, cache] of caches.entries()) {
        cache.add(toHost(outputs[`newKeys.${layer}`]!), toHost(outputs[`newValues.${layer}`]!));
      }
    }
    for (let i = 0; i < 20; i++) {
      const tokens = Int32Array.from(lengths, (length, sequence) => textOf(sequence, length + i + 1).at(-1)!);
      const noise = lengths.flatMap((length, sequence) => [
        ...routingNoise([{ seed: 0, sequence }], 1, routed.length, length + i),
      ]);
      const outputs = await files.step.run({
        ...{ tokens: new ort.Tensor("int32", tokens, [2]), positions: int64(lengths.map((length) => length + i)) },
        ...Object.fromEntries(caches.map(({ keys }, layer) => [`keys.${layer}`, ofHost(keys)])),
        ...Object.fromEntries(caches.map(({ values }, layer) => [`values.${layer}`, ofHost(values)])),
        ...Object.fromEntries(routed.map((layer) => [`lengths.${layer}`, int64(caches[layer]!.lengths)])),
        ...decisionFeeds(files, files.step, Float32Array.from(noise)),
      });
      const expected = await decoder.step(tokens);
      expect(distance(floats(outputs.logits), expected.logits)).toBeLessThan(TOLERANCE);
      expect(routed.map((layer) => outputs[`routedThrough.${layer}`]!.data)).toEqual(expected.routedThrough);
      for (const [layer, cache] of caches.entries()) {
        const decisions = outputs[`routedThrough.${layer}`]?.data as Uint8Array | undefined;
        const computed = [0, 1].filter((sequence) => decisions?.[sequence] !== 0);
        if (computed.length === 0) continue;
        cache.append(computed, toHost(outputs[`newKeys.${layer}`]!), toHost(outputs[`newValues.${layer}`]!));
      }
    }
    await decoder.dispose();
  });

  test("logits of a longer text begin with those of its beginning", async () => {
    const files = await exported(name, "standard");
    const [long, short] = [await runForward(files, textOf(1, 30), 1), await runForward(files, textOf(1, 12), 1)];
    const beginning = floats(long.logits).slice(0, 12 * model.vocabSize);
    expect(distance(beginning, floats(short.logits))).toBeLessThan(TOLERANCE);
  });

  test("model.json says what the files take and give", async () => {
    const { description, forward, step } = await exported(name, "onnxruntime");
    const names = (values: readonly { readonly name: string }[]) => values.map((value) => value.name);
    for (const [file, session] of Object.entries({ "forward.onnx": forward, "step.onnx": step } as const)) {
      const { inputs, outputs } = description.files[file as "step.onnx"];
      expect(names(inputs)).toEqual(session.inputNames);
      expect(names(outputs)).toEqual(session.outputNames);
      for (const { meaning } of [...inputs, ...outputs]) expect(meaning).toMatch(/^\S.{10,}/);
    }
    expect(description).toMatchObject({
      ...{ packageVersion: "1.2.3", step: 7, endOfText: 256, contextLength: 48, quantization: null },
      ...{ rule: evaluationRule(model, rule), routedLayers: routed, bitsPerByte: NOT_MEASURED },
    });
    expect(description.config).toEqual(JSON.parse(JSON.stringify(model)));
    expect(description.caches).toHaveLength(model.nLayer);
  });
});

test("thresholds are numbers in JSON also where they mean always or never", () => {
  const [model] = MODELS.predictor!;
  for (const [rule, sign] of [
    ["through", -1],
    ["around", 1],
  ] as const) {
    const { description } = exportOnnx(path.join(folder, rule), savedModel(model), {
      ...{ rule, target: "standard", weights: "float32", bitsPerByte: NOT_MEASURED, packageVersion: "0" },
    });
    const thresholds = JSON.parse(JSON.stringify(description.thresholds)) as number[];
    expect(thresholds).toHaveLength(2);
    for (const threshold of thresholds) {
      expect(Math.fround(threshold)).toBe(threshold);
      expect(threshold * sign).toBeGreaterThan(1e38);
    }
  }
});

describe("the files", () => {
  const bytesOf = async (...choice: Parameters<typeof exported>) => {
    const { dir } = await exported(...choice);
    return ["forward.onnx", "step.onnx"].map((file) => readFileSync(path.join(dir, file)).toString("latin1"));
  };

  test.each(["float32", "int8", "int4"] as const)("for any tool have only ONNX's operators, %s", async (weights) => {
    for (const name of Object.keys(MODELS)) {
      for (const text of await bytesOf(name, "standard", weights)) {
        expect(text).not.toContain("com.microsoft");
        expect(text).not.toContain("SimplifiedLayerNormalization");
      }
    }
  });

  test("hold the parameters by their names", async () => {
    for (const text of await bytesOf("predictor", "standard")) {
      expect(text).toContain("layers.1.predictor.hiddenBias");
      expect(text).toContain("layers.0.attention.qkv");
    }
    for (const text of await bytesOf("predictor", "onnxruntime", "int4")) {
      expect(text).toContain("MatMulNBits");
      expect(text).toContain("layers.0.attention.qkv.codes");
      expect(text).toContain("layers.0.attention.qkv.scales");
    }
  });
});

describe("the loss of quantised weights is that of the exported files", () => {
  const windows = [40, 17].flatMap((length, i) => evaluationWindows(textOf(i, length), 48, 256));

  /** Bits per byte by the forward file: tokens are bytes here, but for the end of the text. */
  async function lossOf(files: Exported): Promise<number> {
    let [nats, bytes] = [0, 0];
    for (const [sequence, { tokens, targets }] of windows.entries()) {
      const { logits } = await runForward(files, [...tokens], sequence);
      for (const [t, target] of targets.entries()) {
        const row = floats(logits).slice(t * size.vocabSize, (t + 1) * size.vocabSize);
        nats += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[target]!;
        if (target !== 256) bytes++;
      }
    }
    return nats / (Math.LN2 * bytes);
  }

  for (const target of TARGETS) {
    test.each(Object.keys(MODELS))(`${target}: %s`, async (name) => {
      const [model, rule] = MODELS[name]!;
      let progress = 0;
      const { before, after } = await quantizationLoss(savedModel(model), windows, {
        ...{ rule, target, runtime, weights: "int4", batchSize: 2 },
        onProgress: (tokens) => {
          progress = tokens;
        },
      });
      // What is rounded to 8 bits on the way can end up at either side.
      const tolerance = 1e-3 * before;
      expect(Math.abs(before - (await lossOf(await exported(name, target))))).toBeLessThan(tolerance / 100);
      expect(Math.abs(after - (await lossOf(await exported(name, target, "int4"))))).toBeLessThan(tolerance);
      expect(after).not.toBeCloseTo(before, 3);
      expect(progress).toBe(2 * windows.reduce((sum, { length }) => sum + length, 0));
    });
  }
});
