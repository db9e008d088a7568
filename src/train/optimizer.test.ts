import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import { type ParameterRole, type ParameterSpec, parameterList } from "../model/parameters.ts";
import { tinyMod } from "../model/testing/tinyModel.ts";
import { normal } from "../random.ts";
import { float32, floats } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { clipFactor, gradientGroup, type OptimizerConfig, stepScalars, updateFactors } from "./optimizer.ts";
import { updateGraph } from "./updateGraph.ts";
import { UpdateMemory } from "./updateMemory.ts";

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

/** The same by the library, in single precision, and the norms that clipping goes by. */
function libraryAdamW(specs: readonly ParameterSpec[], arrays: Arrays, config: OptimizerConfig) {
  const memory = new UpdateMemory(Object.values(arrays).map(({ length }) => length));
  const after: Record<string, Float32Array> = {};
  for (const [key, values] of Object.entries(arrays)) {
    after[key] = memory.allocate(values.length);
    after[key].set(values);
  }
  const squares = { main: 0, predictor: 0 };
  for (const spec of specs) squares[gradientGroup(spec)] += memory.sumOfSquares(after[`gradient.${spec.name}`]!);
  const norms = { main: Math.sqrt(squares.main), predictor: Math.sqrt(squares.predictor) };
  for (const spec of specs) {
    const of = (kind: string) => after[`${kind}.${spec.name}`]!;
    const state = { value: of("value"), firstMoment: of("firstMoment"), secondMoment: of("secondMoment") };
    const clip = clipFactor(norms[gradientGroup(spec)], config);
    const factors = updateFactors(spec, clip, stepScalars(STEP, LEARNING_RATE, config), config);
    memory.adamW(state, of("gradient"), factors);
  }
  return { norms, after };
}

const model = tinyMod();
const specs = parameterList(model);

/** The same by the graph for devices. */
async function graphAdamW(arrays: Arrays, config: OptimizerConfig) {
  const executor = await nodeRuntime({ threads: 1 }).compile(updateGraph(model, config));
  const scalars = Object.entries(stepScalars(STEP, LEARNING_RATE, config)).map(
    ([name, value]) => [name, float32([], Float32Array.of(value))] as const,
  );
  const shapeOf = (key: string) => specs.find(({ name }) => key.slice(key.indexOf(".") + 1) === name)!.shape;
  const fed = Object.entries(arrays).map(
    ([key, values]) => [key, float32(shapeOf(key), Float32Array.from(values))] as const,
  );
  const outputs = await executor.run(Object.fromEntries([...fed, ...scalars]));
  await executor.dispose();
  const next = Object.keys(outputs).filter((name) => name.startsWith("next."));
  return {
    squares: [...floats(outputs, "squares")],
    after: Object.fromEntries(next.map((name) => [name.slice("next.".length), floats(outputs, name)])),
  };
}

describe("one update, as a loop and as a graph, equals AdamW computed plainly in double precision, to 2e-6", () => {
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
    for (const { after } of [libraryAdamW(specs, arrays, config), await graphAdamW(arrays, config)]) {
      for (const [key, values] of Object.entries(expected)) expectClose(after[key]!, values, 2e-6, key);
    }
  });
});

test("norms before clipping, the predictors' by themselves", async () => {
  const arrays = someArrays(specs, 1);
  const { norms } = libraryAdamW(specs, arrays, settings);
  const normWhere = (keep: (role: ParameterRole) => boolean) =>
    normOf(specs.filter(({ role }) => keep(role)).map(({ name }) => arrays[`gradient.${name}`]!));
  expect(norms.main / normWhere((role) => role !== "predictor")).toBeCloseTo(1, 7);
  expect(norms.predictor / normWhere((role) => role === "predictor")).toBeCloseTo(1, 7);
  const { squares } = await graphAdamW(arrays, settings);
  for (const [i, norm] of [norms.main, norms.predictor].entries())
    expect(Math.sqrt(squares[i]!) / norm).toBeCloseTo(1, 6);
});

describe("loops over arrays whose size is no multiple of four", () => {
  const sizes = [1, 3, 4, 7, 1001];
  const memory = new UpdateMemory(sizes);
  const arrays = sizes.map((size) => memory.allocate(size));
  for (const [i, array] of arrays.entries()) array.set(Array.from(array, (_, j) => normal(i, j)));

  test.each(arrays.map((array) => [array.length, array] as const))("sum of squares of %i numbers", (_, array) => {
    const expected = array.reduce((total, x) => total + x * x, 0);
    expect(memory.sumOfSquares(array) / expected).toBeCloseTo(1, 6);
  });

  test("an infinite or undefined number shows in the sum", () => {
    const other = new UpdateMemory([5]);
    const array = other.allocate(5);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      array[3] = bad;
      expect(Number.isFinite(other.sumOfSquares(array))).toBe(false);
    }
  });

  test("more than a memory may hold is refused with its size", () => {
    expect(() => new UpdateMemory([2 ** 30 + 1])).toThrow("must fit into 4 GiB a replica, got 4294967312 bytes");
  });
});

test("the bytes of the loops are what their source gives", () => {
  execFileSync(process.execPath, [fileURLToPath(new URL("../../scripts/wasm.mjs", import.meta.url)), "--check"]);
});

test("by default matrices alone decay: with zero gradients and moments all others stay bit-identical", () => {
  const arrays = someArrays(specs, 0);
  for (const [key, values] of Object.entries(arrays)) if (!key.startsWith("value.")) arrays[key] = values.map(() => 0);
  const { after: result } = libraryAdamW(specs, arrays, settings);
  for (const { name, role } of specs) {
    const before = Array.from(Float32Array.from(arrays[`value.${name}`]!));
    const after = [...result[`value.${name}`]!];
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
