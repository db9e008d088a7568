import { describe, expect, test } from "vitest";
import { forwardFlops, totalFlops, trainingFlops } from "../flops/flops.ts";
import { add, countFlops } from "../graph/index.ts";
import { compileFor, expectClose, host } from "../graph/testing/gradientCheck.ts";
import { derived, type ModelConfig } from "../model/config.ts";
import { routingNoise } from "../model/noise.ts";
import { parameterInputs } from "../model/parameterInputs.ts";
import { type ParameterRole, parameterList } from "../model/parameters.ts";
import {
  expertModels,
  livelyParameters,
  someTokens,
  tinyDense,
  tinyMod,
  tinyRandom,
} from "../model/testing/tinyModel.ts";
import type { HostTensor } from "../runtime/executor.ts";
import { lossAndGradients } from "./graphs.ts";

const B = 2;

const models: Record<string, ModelConfig> = {
  "dense, squared ReLU": tinyDense(),
  "dense, GELU, tied head": tinyDense({ mlp: "gelu", tiedHead: true }),
  "dense, SwiGLU, grouped heads": tinyDense({ mlp: "swiglu", nHead: 4, nKvHead: 2 }),
  "mod, linear gate": tinyMod(),
  "mod, sigmoid gate": tinyMod({ gate: "sigmoid" }),
  "mod, tanh gate": tinyMod({ gate: "tanh" }),
  "mod, gate one, auxiliary loss alone": tinyMod({ gate: "one", predictor: null, auxiliary: { weight: 1 } }),
  "mod, no auxiliary loss": tinyMod({ auxiliary: null, predictor: null }),
  "mod, z-loss": tinyMod({ zLoss: 0.1 }),
  "mod, every block": tinyMod({}, { pattern: ["mod"] }),
  "random, gate linear": tinyRandom("linear"),
  "random, gate one": tinyRandom("one"),
  ...expertModels(),
};

/** Inputs of a loss graph in double precision. */
function feedsOf(config: ModelConfig): Record<string, HostTensor> {
  const shape = [B, config.seqLen];
  const ints = (values: ArrayLike<number>) => host("int32", shape, Array.from(values));
  const { nRouted } = derived(config);
  const keys = Array.from({ length: B }, (_, row) => ({ seed: 5, sequence: row }));
  const values = Object.entries(livelyParameters(config)).map(([name, { shape, data }]) => [
    name,
    host("float64", shape, Array.from(data as Float32Array)),
  ]);
  return {
    ...Object.fromEntries(values),
    tokens: ints(someTokens(B, config.seqLen, config.vocabSize)),
    targets: ints(someTokens(B, config.seqLen, config.vocabSize, 4)),
    documents: ints([0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    noise: host("float64", [...shape, nRouted], Array.from(routingNoise(keys, config.seqLen, nRouted))),
  };
}

describe("gradients of whole models equal central differences, in double precision", () => {
  for (const [name, config] of Object.entries(models)) {
    test(name, async () => {
      const specs = parameterList(config);
      const values = parameterInputs(parameterList(config), "value", "float64");
      const { batch, parts, gradients } = lossAndGradients(config, B, values, "float64");
      const inputs = { ...batch, ...values };
      const feeds = feedsOf(config);
      const outputs = Object.fromEntries(specs.map((s, i) => [s.name, gradients[i]!]));
      const backward = await compileFor("float64", { name: "gradients", inputs, outputs });
      const analytic = await backward.run(feeds);
      const { total, predictor, expertPredictor } = parts;
      const detached = expertPredictor === undefined ? predictor : add(predictor, expertPredictor);
      const forward = await compileFor("float64", { name: "loss", inputs, outputs: { total, detached } });
      // The predictors' loss is no function of the other parameters as far as gradients go: it reads behind a stop.
      const lossWith = async (key: string, role: ParameterRole, at: number, by: number) => {
        const { shape, data } = feeds[key]!;
        const shifted = (data as Float64Array).with(at, (data as Float64Array)[at]! + by);
        const losses = await forward.run({ ...feeds, [key]: { dtype: "float64", shape, data: shifted } });
        return (losses.total!.data[0] as number) - (role === "predictor" ? 0 : (losses.detached!.data[0] as number));
      };
      const step = 1e-6;
      for (const { name: parameter, shape, role } of specs) {
        const size = shape.reduce((a, b) => a * b, 1);
        const gradient = analytic[parameter]!.data as Float64Array;
        const places = [...new Set([0, Math.floor(size / 3), size - 1])];
        const key = `value.${parameter}`;
        const numeric = [];
        for (const at of places)
          numeric.push(((await lossWith(key, role, at, step)) - (await lossWith(key, role, at, -step))) / (2 * step));
        expectClose(
          places.map((at) => gradient[at]!),
          numeric,
          1e-6,
          parameter,
        );
        if (role === "router")
          expect(Math.max(...gradient.map(Math.abs)), `${parameter} gets a gradient`).toBeGreaterThan(1e-4);
      }
      await backward.dispose();
      await forward.dispose();
    });
  }
});

test("the predictor leaves the language model's loss and gradients bit-identical", async () => {
  const [without, having] = [tinyMod({ predictor: null }), tinyMod({ predictor: { width: 4 } })];
  const run = async (config: ModelConfig) => {
    const specs = parameterList(config);
    const values = parameterInputs(parameterList(config), "value", "float32");
    const { batch, parts, gradients } = lossAndGradients(config, B, values, "float32");
    const outputs = { ...Object.fromEntries(specs.map((s, i) => [s.name, gradients[i]!])), lm: parts.lm };
    const executor = await compileFor("float32", { name: "gradients", inputs: { ...batch, ...values }, outputs });
    const { noise: _, ...batchFeeds } = feedsOf(config);
    const result = await executor.run({ ...batchFeeds, ...livelyParameters(config) });
    await executor.dispose();
    return result;
  };
  const [a, b] = [await run(without), await run(having)];
  for (const name of Object.keys(a)) expect([...b[name]!.data], name).toEqual([...a[name]!.data]);
});

test("backward products cost twice the forward ones, but for the input of the predictor, which needs no gradient", () => {
  for (const config of Object.values(models)) {
    const values = parameterInputs(parameterList(config), "value", "float64");
    const { parts, gradients } = lossAndGradients(config, B, values, "float64");
    const forward = countFlops([parts.total]);
    const saved = 3 * totalFlops(forwardFlops(config)) - totalFlops(trainingFlops(config));
    expect(countFlops([parts.total, ...gradients])).toBe(3 * forward - B * saved);
  }
});
