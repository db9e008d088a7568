import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { TrainConfig } from "../config/runConfig.ts";
import type { Batch } from "../data/batch.ts";
import { compileFor } from "../graph/testing/gradientCheck.ts";
import { modelSchema } from "../model/config.ts";
import { parameterList } from "../model/parameters.ts";
import type { Rule } from "../model/rules.ts";
import { runCausal, runTraining } from "../model/testing/tinyModel.ts";
import type { NamedArray } from "../notation.ts";
import { decodeSafetensors } from "../run/safetensors.ts";
import { float32, floats, type HostTensors, int32 } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { gradientGraph, lossNames, STATE_KINDS } from "./graphs.ts";
import type { OptimizerConfig } from "./optimizer.ts";
import { type StepResult, Trainer } from "./trainer.ts";
import { TrainingState } from "./trainingState.ts";

/**
 * This library in single precision against PyTorch in double precision. `reference/` holds the other implementation, written
 * from the equations of docs/MODEL.md, and what it made of tiny models. An error is relative to the largest value of
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

/** Inputs `KIND.NAME` for each parameter: the fixture's arrays of the same names. */
const parameterFeeds = (fixture: Fixture, kind: string): HostTensors =>
  Object.fromEntries(
    parameterList(fixture.config).map(({ name, shape }) => {
      const key = `${kind}.${name}`;
      return [key, float32(shape, fixture.get(key).data)];
    }),
  );

/** Values of the fixture, moments of 0. */
const initialState = (fixture: Fixture): TrainingState =>
  TrainingState.from(
    fixture.config,
    new Map(parameterList(fixture.config).map(({ name }) => [name, fixture.get(`value.${name}`)])),
    new Map(),
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

/** Losses and norms of a step, by name. */
const scalarsOf = ({ losses, gradientNorm, predictorGradientNorm }: StepResult) => ({
  ...losses,
  ...{ gradientNorm, predictorGradientNorm },
});

/** Scalars of several steps as one array for each name. */
const columns = (steps: readonly Readonly<Record<string, number | null>>[]): Record<string, number[]> =>
  Object.fromEntries(
    Object.keys(steps[0]!)
      .filter((name) => steps[0]![name] !== null)
      .map((name) => [name, steps.map((step) => step[name]!)]),
  );

describe.each(["dense", "mod", "mod-sigmoid", "mode-integrated", "mode-staged", "mode-expert-choice"])(
  "equal to PyTorch: %s",
  (name) => {
    const fixture = new Fixture(name);
    const { config, summary } = fixture;
    const rows = fixture.get("tokens").shape[0]!;
    const batchOf = (from: number, to: number): Batch => {
      const feeds = batchFeeds(fixture, from, to);
      const ids = (name: string) => feeds[name]!.data as Int32Array;
      const [tokens, targets, documents] = [ids("tokens"), ids("targets"), ids("documents")];
      return { batchSize: to - from, seqLen: config.seqLen, tokens, targets, documents };
    };

    /** Trains on the fixture's batch, cut in `accumulate` parts that `threads` replicas share. */
    async function train(steps: number, { threads = 1, accumulate = 1 } = {}) {
      const batchSize = rows / accumulate;
      const settings = { batchSize, accumulate, optimizer: summary.optimizer } as TrainConfig;
      const trainer = await Trainer.create(config, settings, 0, { ...nodeRuntime({ threads: 1 }), threads });
      const state = initialState(fixture);
      const batches = Array.from({ length: accumulate }, (_, i) => batchOf(i * batchSize, (i + 1) * batchSize));
      const results: StepResult[] = [];
      for (let step = 1; step <= steps; step++) {
        results.push(await trainer.step(state, batches, step, summary.learningRates[step - 1]!));
      }
      await trainer.dispose();
      return { state, results };
    }

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
      const executor = await compileFor("float32", gradientGraph(config, rows));
      const outputs = await executor.run({ ...parameterFeeds(fixture, "value"), ...batchFeeds(fixture) });
      await executor.dispose();
      const { gradientNorm: _, predictorGradientNorm: __, ...losses } = summary.steps[0]!;
      const got = Object.fromEntries(lossNames(config).map((name, i) => [name, floats(outputs, "losses")[i]!]));
      expectNear(columns([got]), columns([losses]), TOLERANCE.step);
      expectNear(arraysOf(outputs, "next.gradient"), fixture.under("gradient."), TOLERANCE.step);
    });

    test("ten steps: losses, norms of the gradients, parameters", async () => {
      const one = await train(1);
      expectNear(arraysOf(one.state.tensors, "value"), fixture.under("step1."), TOLERANCE.step);
      const ten = await train(summary.steps.length);
      expectNear(columns(ten.results.map(scalarsOf)), columns(summary.steps), TOLERANCE.training);
      expectNear(arraysOf(ten.state.tensors, "value"), fixture.under("step10."), TOLERANCE.training);
    });

    test.each([
      ["gradients of single rows, summed one after the other", { accumulate: rows }],
      ["gradients of single rows by replicas of their own", { threads: rows }],
    ])("%s, then the update, is one training step", async (_, parts) => {
      const [apart, whole] = [await train(1, parts), await train(1)];
      for (const kind of STATE_KINDS) {
        expectNear(arraysOf(apart.state.tensors, kind), arraysOf(whole.state.tensors, kind), TOLERANCE.step);
      }
      expectNear(arraysOf(apart.state.tensors, "value"), fixture.under("step1."), TOLERANCE.step);
      expectNear(columns(apart.results.map(scalarsOf)), columns([summary.steps[0]!]), TOLERANCE.step);
    });

    const rules = [...fixture.arrays.keys()].flatMap((key) => key.match(/^logits\.(.*)/)?.[1] ?? []) as Rule[];
    test.each(rules)("logits and choices under the rule %s", async (rule) => {
      const batch = { tokens: fixture.ints("tokens"), documents: fixture.ints("documents"), width: config.seqLen };
      const lengths = Array(rows).fill(config.seqLen);
      const outputs = await runCausal(config, rule, { ...batch, lengths }, parameterFeeds(fixture, "value"));
      expectNear({ logits: floats(outputs, "logits") }, { logits: fixture.get(`logits.${rule}`).data }, TOLERANCE.step);
      expectNear(choicesOf(outputs), fixture.under(`routedThrough.${rule}.`), 0);
    });
  },
);

const succeeds = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
const python = ["python3", "/usr/bin/python3"].find((command) => succeeds(command, "-c", "import numpy, torch"));

test.skipIf(python === undefined)("reference fixtures reproduce in PyTorch (needs python3 with torch)", () => {
  const script = fileURLToPath(new URL("make_fixtures.py", FOLDER));
  const { status, stdout, stderr } = spawnSync(python!, ["-B", script, "--check"], { encoding: "utf8" });
  expect(status, stdout + stderr).toBe(0);
});
