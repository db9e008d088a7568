import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GraphDefinition } from "../graph/index.ts";
import { compileFor } from "../graph/testing/gradientCheck.ts";
import { modelSchema } from "../model/config.ts";
import { parameterList } from "../model/parameters.ts";
import type { Rule } from "../model/rules.ts";
import { runCausal, runTraining } from "../model/testing/tinyModel.ts";
import type { NamedArray } from "../notation.ts";
import { decodeSafetensors } from "../run/safetensors.ts";
import { type Executor, emptyTensor, float32, floats, type HostTensors, int32 } from "../runtime/executor.ts";
import { gradientGraph, LOSSES, STATE_KINDS, trainStepGraph, updateGraph } from "./graphs.ts";
import { type OptimizerConfig, stepScalars } from "./optimizer.ts";

/**
 * This library in single precision against PyTorch in double precision. `reference/` holds the other implementation, written
 * from the equations of docs/MODEL.md, and what it made of three tiny models. An error is relative to the largest value of
 * its array.
 */
const TOLERANCE = {
  /** Logits, losses and gradients of one pass, and the parameters after one update. */
  step: 1e-5,
  /** Losses, norms and parameters over ten updates, each of which hands its error to the next. */
  training: 5e-5,
};

const FOLDER = new URL("../../reference/", import.meta.url);

type Scalars = Readonly<Record<string, number>>;

interface Summary {
  readonly model: unknown;
  readonly optimizer: OptimizerConfig;
  readonly learningRates: readonly number[];
  /** Of each step: the losses, and the norms of the gradients before clipping. */
  readonly steps: readonly (Scalars & { readonly predictorGradientNorm: number | null })[];
}

/** A fixture of `reference/fixtures`. */
class Fixture {
  readonly arrays: ReadonlyMap<string, NamedArray>;
  readonly summary: Summary;

  constructor(name: string) {
    const read = (extension: string) => readFileSync(new URL(`fixtures/${name}.${extension}`, FOLDER));
    this.arrays = decodeSafetensors(read("safetensors")).arrays;
    this.summary = JSON.parse(read("json").toString()) as Summary;
  }

  get config() {
    return modelSchema.parse(this.summary.model);
  }

  get(name: string): NamedArray {
    const array = this.arrays.get(name);
    if (array === undefined) throw new Error(`fixture: must hold "${name}", got none`);
    return array;
  }

  ints(name: string): Int32Array {
    return Int32Array.from(this.get(name).data);
  }

  /** Arrays whose names begin with `prefix`, by the rest of their names. */
  under(prefix: string): Record<string, Float32Array> {
    return Object.fromEntries(
      [...this.arrays]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, { data }]) => [name.slice(prefix.length), data]),
    );
  }
}

/** NaN is worse than anything, and stays the worst. */
const isWorse = (error: number, than: number) => error > than || Number.isNaN(error);

/** Largest |a − b| over the largest |b|, and where. */
function worstOf(actual: ArrayLike<number>, expected: ArrayLike<number>) {
  let [scale, difference, index] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]!));
    const here = Math.abs(actual[i]! - expected[i]!);
    if (isWorse(here, difference)) [difference, index] = [here, i];
  }
  return { error: difference === 0 ? 0 : difference / scale, index };
}

/** The same arrays by name, each within the tolerance of its own scale; a failure names the worst. */
function expectNear(
  actual: Record<string, ArrayLike<number>>,
  expected: Record<string, ArrayLike<number>>,
  tolerance: number,
): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  let worst = { name: "", error: 0, index: 0 };
  for (const [name, values] of Object.entries(expected)) {
    expect(actual[name]!.length, `${name}: length`).toBe(values.length);
    const here = { name, ...worstOf(actual[name]!, values) };
    if (isWorse(here.error, worst.error)) worst = here;
  }
  const { name, error, index } = worst;
  const what = `${name}[${index}]: ${actual[name]?.[index]} should be ${expected[name]?.[index]} (error ${error})`;
  expect(error <= tolerance, what).toBe(true);
}

/** Rows `from` to `to` of the batch. */
function batchFeeds(fixture: Fixture, from = 0, to = fixture.get("tokens").shape[0]!): HostTensors {
  const { seqLen } = fixture.config;
  return Object.fromEntries(
    ["tokens", "targets", "documents"].map((name) => [
      name,
      int32([to - from, seqLen], fixture.ints(name).subarray(from * seqLen, to * seqLen)),
    ]),
  );
}

/** Inputs `KIND.NAME` for each parameter: zeros, or the fixture's arrays of the same names. */
function parameterFeeds(fixture: Fixture, kind: string, zeros = false): HostTensors {
  return Object.fromEntries(
    parameterList(fixture.config).map(({ name, shape }) => {
      const key = `${kind}.${name}`;
      return [key, zeros ? emptyTensor("float32", shape) : float32(shape, fixture.get(key).data)];
    }),
  );
}

const scalar = (value: number) => float32([], Float32Array.of(value));

/** Values of the fixture, moments of 0. */
const initialState = (fixture: Fixture): HostTensors => ({
  ...parameterFeeds(fixture, "value"),
  ...parameterFeeds(fixture, "firstMoment", true),
  ...parameterFeeds(fixture, "secondMoment", true),
});

/** The scalars of update number `step`, from 1. */
function scalarFeeds({ summary }: Fixture, step: number): HostTensors {
  const scalars = stepScalars(step, summary.learningRates[step - 1]!, summary.optimizer);
  return Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, scalar(value)]));
}

/** Outputs `next.KIND.NAME` as inputs of the next run. */
const nextInputs = (outputs: HostTensors): HostTensors =>
  Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.startsWith("next."))
      .map(([name, tensor]) => [name.slice("next.".length), tensor]),
  );

/** Arrays `KIND.NAME` of some tensors, by NAME. */
const arraysOf = (tensors: HostTensors, kind: string): Record<string, Float32Array> =>
  Object.fromEntries(
    Object.keys(tensors)
      .filter((name) => name.startsWith(`${kind}.`))
      .map((name) => [name.slice(kind.length + 1), floats(tensors, name)]),
  );

/** Chosen tokens of each routed layer, 1 or 0, by its number among the routed ones. */
const choicesOf = (outputs: HostTensors): Record<string, Float32Array> =>
  Object.fromEntries(
    Object.entries(outputs).flatMap(([name, { data }]) => {
      const layer = name.match(/^routedThrough\.(.*)/)?.[1];
      return layer === undefined ? [] : [[layer, Float32Array.from(data as Uint8Array | Float32Array)]];
    }),
  );

/** Losses and norms of a step, by name; a norm that a model has not is left out on both sides. */
function scalarsOf(outputs: HostTensors): Record<string, number> {
  const norms = ["gradientNorm", "predictorGradientNorm"].filter((name) => name in outputs);
  return {
    ...Object.fromEntries(LOSSES.map((name, i) => [name, floats(outputs, "losses")[i]!])),
    ...Object.fromEntries(norms.map((name) => [name, floats(outputs, name)[0]!])),
  };
}

/** Scalars of several steps as one array for each name. */
const columns = (steps: readonly Readonly<Record<string, number | null>>[]): Record<string, number[]> =>
  Object.fromEntries(
    Object.keys(steps[0]!)
      .filter((name) => steps[0]![name] !== null)
      .map((name) => [name, steps.map((step) => step[name]!)]),
  );

describe.each(["dense", "mod", "mod-sigmoid"])("equal to PyTorch: %s", (name) => {
  const fixture = new Fixture(name);
  const { config, summary } = fixture;
  const rows = fixture.get("tokens").shape[0]!;
  const executors: Executor[] = [];
  const compile = async (definition: GraphDefinition) => {
    const executor = await compileFor("float32", definition);
    executors.push(executor);
    return executor;
  };
  let trainStep: Executor;
  beforeAll(async () => {
    trainStep = await compile(trainStepGraph(config, rows, summary.optimizer));
  });
  afterAll(() => Promise.all(executors.map((executor) => executor.dispose())));

  const stepFrom = (state: HostTensors, step: number) =>
    trainStep.run({ ...state, ...batchFeeds(fixture), ...scalarFeeds(fixture, step) });

  test("names and shapes of the parameters", () => {
    const shapes = (list: readonly (readonly [string, readonly number[]])[]) => Object.fromEntries(list);
    const expected = [...fixture.arrays].filter(([key]) => key.startsWith("value."));
    expect(shapes(parameterList(config).map((spec) => [`value.${spec.name}`, spec.shape]))).toEqual(
      shapes(expected.map(([key, { shape }]) => [key, shape])),
    );
  });

  test("logits and choices of the training pass", async () => {
    const values = parameterFeeds(fixture, "value");
    const outputs = await runTraining(config, fixture.ints("tokens"), values, fixture.ints("documents"));
    expectNear({ logits: floats(outputs, "logits") }, { logits: fixture.get("logits.topk").data }, TOLERANCE.step);
    expectNear(choicesOf(outputs), fixture.under("routedThrough.topk."), 0);
  });

  test("losses, and the gradient of each parameter", async () => {
    const gradients = await compile(gradientGraph(config, rows));
    const outputs = await gradients.run({
      ...{ ...parameterFeeds(fixture, "value"), ...parameterFeeds(fixture, "gradient", true) },
      ...{ ...batchFeeds(fixture), scale: scalar(1) },
    });
    const { gradientNorm: _, predictorGradientNorm: __, ...losses } = columns([summary.steps[0]!]);
    expectNear(columns([scalarsOf(outputs)]), losses, TOLERANCE.step);
    expectNear(arraysOf(outputs, "next.gradient"), fixture.under("gradient."), TOLERANCE.step);
  });

  test("ten steps: losses, norms of the gradients, parameters", async () => {
    let state = initialState(fixture);
    const steps = [];
    for (let step = 1; step <= summary.steps.length; step++) {
      const outputs = await stepFrom(state, step);
      steps.push(scalarsOf(outputs));
      state = nextInputs(outputs);
      if (step === 1) expectNear(arraysOf(state, "value"), fixture.under("step1."), TOLERANCE.step);
    }
    expectNear(columns(steps), columns(summary.steps), TOLERANCE.training);
    expectNear(arraysOf(state, "value"), fixture.under("step10."), TOLERANCE.training);
  });

  test("gradients of single rows summed, then one update, is one training step", async () => {
    const gradients = await compile(gradientGraph(config, 1));
    const update = await compile(updateGraph(config, summary.optimizer));
    const state = initialState(fixture);
    let sums = parameterFeeds(fixture, "gradient", true);
    for (let row = 0; row < rows; row++) {
      const batch = batchFeeds(fixture, row, row + 1);
      sums = nextInputs(await gradients.run({ ...state, ...sums, ...batch, scale: scalar(1 / rows) }));
    }
    const apart = nextInputs(await update.run({ ...state, ...sums, ...scalarFeeds(fixture, 1) }));
    const whole = nextInputs(await stepFrom(state, 1));
    for (const kind of STATE_KINDS) expectNear(arraysOf(apart, kind), arraysOf(whole, kind), TOLERANCE.step);
    expectNear(arraysOf(apart, "value"), fixture.under("step1."), TOLERANCE.step);
  });

  const rules = [...fixture.arrays.keys()].flatMap((key) => key.match(/^logits\.(.*)/)?.[1] ?? []) as Rule[];
  test.each(rules)("logits and choices under the rule %s", async (rule) => {
    const batch = { tokens: fixture.ints("tokens"), documents: fixture.ints("documents"), width: config.seqLen };
    const lengths = Array(rows).fill(config.seqLen);
    const outputs = await runCausal(config, rule, { ...batch, lengths }, parameterFeeds(fixture, "value"));
    expectNear({ logits: floats(outputs, "logits") }, { logits: fixture.get(`logits.${rule}`).data }, TOLERANCE.step);
    expectNear(choicesOf(outputs), fixture.under(`routedThrough.${rule}.`), 0);
  });
});

const succeeds = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
const python = ["python3", "/usr/bin/python3"].find((command) => succeeds(command, "-c", "import numpy, torch"));

test.skipIf(python === undefined)("reference fixtures reproduce in PyTorch (needs python3 with torch)", () => {
  const script = fileURLToPath(new URL("make_fixtures.py", FOLDER));
  const { status, stdout, stderr } = spawnSync(python!, ["-B", script, "--check"], { encoding: "utf8" });
  expect(status, stdout + stderr).toBe(0);
});
