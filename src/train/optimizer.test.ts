import { describe, expect, test } from "vitest";
import { compileFor, expectClose, host } from "../graph/testing/gradientCheck.ts";
import { type ParameterRole, type ParameterSpec, parameterList } from "../model/parameters.ts";
import { tinyDense, tinyMod } from "../model/testing/tinyModel.ts";
import { normal } from "../random.ts";
import { updateGraph } from "./graphs.ts";
import { type OptimizerConfig, stepScalars } from "./optimizer.ts";

const LEARNING_RATE = 0.01;
const STEP = 3;

const settings: OptimizerConfig = {
  ...{ beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 },
  ...{ decay: ["matrix"], clipNorm: 1, routerRate: 1 },
};

/** Arrays by name: values, moments and gradients before an update, or values and moments after one. */
type Arrays = Record<string, number[]>;

/** Numbers of a parameter; second moments are squares. */
function someArrays(specs: readonly ParameterSpec[], gradientScale: number): Arrays {
  const draw = ({ shape }: ParameterSpec, stream: number) =>
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => normal(stream, i));
  return Object.fromEntries(
    specs.flatMap((spec, i) => [
      [`value.${spec.name}`, draw(spec, 4 * i)],
      [`firstMoment.${spec.name}`, draw(spec, 4 * i + 1).map((x) => 0.1 * x)],
      [`secondMoment.${spec.name}`, draw(spec, 4 * i + 2).map((x) => 0.01 * x * x)],
      [`gradient.${spec.name}`, draw(spec, 4 * i + 3).map((x) => gradientScale * x)],
    ]),
  );
}

const normOf = (arrays: readonly (readonly number[])[]) => Math.sqrt(arrays.flat().reduce((sum, x) => sum + x * x, 0));

/** AdamW as docs/MODEL.md writes it, one number after the other. */
function plainAdamW(specs: readonly ParameterSpec[], arrays: Arrays, config: OptimizerConfig): Arrays {
  const { beta1, beta2, epsilon, weightDecay, decay, clipNorm, routerRate } = config;
  const group = (role: ParameterRole) => role === "predictor";
  return Object.fromEntries(
    specs.flatMap(({ name, role }) => {
      const members = specs.filter((other) => group(other.role) === group(role));
      const norm = normOf(members.map((other) => arrays[`gradient.${other.name}`]!));
      const clip = clipNorm === null ? 1 : Math.min(1, clipNorm / (norm + 1e-6));
      const rate = LEARNING_RATE * (role === "router" ? routerRate : 1);
      const g = arrays[`gradient.${name}`]!.map((x) => x * clip);
      const m = arrays[`firstMoment.${name}`]!.map((x, i) => beta1 * x + (1 - beta1) * g[i]!);
      const v = arrays[`secondMoment.${name}`]!.map((x, i) => beta2 * x + (1 - beta2) * g[i]! ** 2);
      const w = arrays[`value.${name}`]!.map((x, i) => {
        const direction = m[i]! / (1 - beta1 ** STEP) / (Math.sqrt(v[i]! / (1 - beta2 ** STEP)) + epsilon);
        return x * (1 - (decay.includes(role) ? rate * weightDecay : 0)) - rate * direction;
      });
      return [
        [`value.${name}`, w],
        [`firstMoment.${name}`, m],
        [`secondMoment.${name}`, v],
      ];
    }),
  );
}

/** The same by the library's graph. */
async function graphAdamW(
  specs: readonly ParameterSpec[],
  arrays: Arrays,
  config: OptimizerConfig,
  precision: "float32" | "float64",
) {
  const scalars = Object.entries(stepScalars(STEP, LEARNING_RATE, config));
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]));
  const executor = await compileFor(precision, updateGraph(model, config, precision));
  const outputs = await executor.run({
    ...Object.fromEntries(scalars.map(([name, value]) => [name, host(precision, [], [value])])),
    ...Object.fromEntries(
      Object.entries(arrays).map(([key, values]) => [
        key,
        host(precision, shapes.get(key.slice(key.indexOf(".") + 1))!, values),
      ]),
    ),
  });
  await executor.dispose();
  return outputs;
}

const model = tinyMod();
const specs = parameterList(model);

describe("one update equals AdamW computed plainly in double precision, to 1e-12 (float32: to 2e-6)", () => {
  test.each<[string, Partial<OptimizerConfig>, number]>([
    ["clipping active", {}, 1],
    ["norm below the clip", {}, 1e-4],
    ["no clipping", { clipNorm: null }, 1],
    ["router rate 5", { routerRate: 5 }, 1],
    ["router rate 5, routers decay", { routerRate: 5, decay: ["router"] }, 1],
    ["every role decays", { decay: ["matrix", "norm", "embedding", "router", "predictor"] }, 1],
    ["no role decays", { decay: [] }, 1],
    ["no weight decay", { weightDecay: 0 }, 1],
  ])("%s", async (_, change, gradientScale) => {
    const config = { ...settings, ...change };
    const arrays = someArrays(specs, gradientScale);
    const expected = plainAdamW(specs, arrays, config);
    const double = await graphAdamW(specs, arrays, config, "float64");
    const single = await graphAdamW(specs, arrays, config, "float32");
    for (const [key, values] of Object.entries(expected)) {
      expectClose(double[`next.${key}`]!.data as Float64Array, values, 1e-12, key);
      expectClose(single[`next.${key}`]!.data as Float32Array, values, 2e-6, key);
    }
  });
});

test("norms before clipping are reported, the predictors' by themselves", async () => {
  const arrays = someArrays(specs, 1);
  const { gradientNorm, predictorGradientNorm } = await graphAdamW(specs, arrays, settings, "float64");
  const normWhere = (keep: (role: ParameterRole) => boolean) =>
    normOf(specs.filter(({ role }) => keep(role)).map(({ name }) => arrays[`gradient.${name}`]!));
  expect(gradientNorm!.data[0]).toBeCloseTo(
    normWhere((role) => role !== "predictor"),
    10,
  );
  expect(predictorGradientNorm!.data[0]).toBeCloseTo(
    normWhere((role) => role === "predictor"),
    10,
  );
});

test("without a predictor there is no norm of predictors", () => {
  expect(Object.keys(updateGraph(tinyDense(), settings).outputs)).not.toContain("predictorGradientNorm");
});

test("by default matrices alone decay: with zero gradients and moments all others stay bit-identical", async () => {
  const arrays = someArrays(specs, 0);
  for (const [key, values] of Object.entries(arrays)) if (!key.startsWith("value.")) arrays[key] = values.map(() => 0);
  const outputs = await graphAdamW(specs, arrays, settings, "float32");
  for (const { name, role } of specs) {
    const before = Array.from(Float32Array.from(arrays[`value.${name}`]!));
    const after = [...(outputs[`next.value.${name}`]!.data as Float32Array)];
    if (role === "matrix")
      expectClose(
        after,
        before.map((x) => x * (1 - LEARNING_RATE * 0.1)),
        1e-6,
        name,
      );
    else expect(after, name).toEqual(before);
  }
});

test("bias corrections are folded into step size and epsilon", () => {
  const { stepSize, epsilon, learningRate } = stepScalars(1, 0.5, { ...settings, epsilon: 1e-3 });
  expect(learningRate).toBe(0.5);
  expect(stepSize).toBeCloseTo((0.5 * Math.sqrt(0.05)) / 0.1, 12);
  expect(epsilon).toBeCloseTo(1e-3 * Math.sqrt(0.05), 12);
});
