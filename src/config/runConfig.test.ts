import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { modelSchema } from "../model/config.ts";
import { cases } from "../testing/cases.ts";
import { gradientGraph } from "../train/graphs.ts";
import { applyOverrides, OverrideError } from "./overrides.ts";
import { findPreset, PRESETS } from "./presets.ts";
import { ConfigError, modelOf, resolveConfig } from "./runConfig.ts";

const horizon = { kind: "steps", steps: 10 };
const model = { seqLen: 16, nLayer: 2, dModel: 8, nHead: 2 };

/** The problems of a configuration. */
function problemsOf(input: unknown): readonly string[] {
  try {
    resolveConfig(input);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("defaults", () => {
  test("fill in all but sizes and horizon", () => {
    const config = resolveConfig({ model, train: { horizon } });
    expect(config).toMatchObject({
      seed: 0,
      model: { mlp: "squaredRelu", pattern: ["dense"], routing: { kind: "none" }, tiedHead: false, rotaryBase: 10_000 },
      data: { sources: ["sotu"], tokenizer: { kind: "bpe", vocabSize: 4096 }, validationFraction: 0.05, splitSeed: 0 },
      train: { batchSize: 8, accumulate: 1, learningRate: { peak: 2e-3, warmup: 0.05, final: 0.1 } },
      runtime: { provider: "cpu" },
    });
    expect(config.train.optimizer).toMatchObject({ beta1: 0.9, beta2: 0.95, decay: ["matrix"], clipNorm: 1 });
  });

  test("of learned routing train an auxiliary loss and a predictor; null leaves either out", () => {
    const routing = (change: object) =>
      resolveConfig({
        model: { ...model, pattern: ["mod"], routing: { kind: "learned", ...change } },
        train: { horizon },
      }).model.routing;
    expect(routing({})).toEqual({
      kind: "learned",
      capacityRatio: 0.125,
      gate: "linear",
      auxiliary: { weight: 0.01 },
      predictor: { width: 64 },
      zLoss: 0,
    });
    expect(routing({ auxiliary: null, predictor: null })).toMatchObject({ auxiliary: null, predictor: null });
  });
});

describe("problems", () => {
  test("name unknown keys with their path, at every depth", () => {
    const problems = problemsOf({
      model: { ...model, nope: 1 },
      data: { tokenizer: { kind: "bytes", size: 3 } },
      train: { horizon: { ...horizon, budget: 1 }, optimizer: { momentum: 1 } },
      extra: 1,
    });
    for (const [place, key] of [
      ["(top)", "extra"],
      ["model", "nope"],
      ["data.tokenizer", "size"],
      ["train.horizon", "budget"],
      ["train.optimizer", "momentum"],
    ])
      expect(problems).toContainEqual(
        expect.stringMatching(new RegExp(`^${place!.replace("(top)", "\\(top\\)")}: .*"${key}"`)),
      );
    expect(problems).toHaveLength(5);
  });

  test("are reported all at once, in parts that have nothing to do with one another", () => {
    const problems = problemsOf({
      seed: -1,
      model: { ...model, nHead: 3, pattern: ["dense", "dense", "mod"] },
      data: { validationFraction: 1 },
      train: {
        batchSize: 0,
        horizon: { kind: "days" },
        learningRate: { warmup: 2 },
        optimizer: { beta1: 1, clipNorm: 0 },
      },
      runtime: { provider: "abacus" },
    });
    const places = problems.map((problem) => problem.split(":")[0]);
    expect(places.sort()).toEqual(
      [
        ...["seed", "model.nHead", "model.pattern", "data.validationFraction", "train.batchSize"],
        ...["train.horizon.kind", "train.learningRate.warmup", "train.optimizer.beta1", "train.optimizer.clipNorm"],
        "runtime.provider",
      ].sort(),
    );
  });

  test("of what fields are to one another are reported beside problems of single fields of the model", () => {
    const problems = problemsOf({ model: { ...model, nHead: 3, rotaryBase: 0, nope: 1 }, train: { horizon } });
    expect(problems.map((problem) => problem.split(":")[0]).sort()).toEqual([
      "model",
      "model.nHead",
      "model.rotaryBase",
    ]);
  });

  test.each([
    [{ nHead: 3 }, "model.nHead: must divide dModel=8, got 3"],
    [{ nHead: 8 }, "model.nHead: dModel / nHead must be even for rotary positions, got 1"],
    [{ nKvHead: 3 }, "model.nKvHead: must divide nHead=2, got 3"],
    [{ pattern: ["dense", "dense", "dense"] }, "model.pattern: must have at most nLayer=2 entries, got 3"],
    [{ pattern: ["mod"] }, 'model.routing: a pattern with "mod" or "mode" needs routing, got none'],
    [{ routing: { kind: "learned" } }, 'model.pattern: routing "learned" needs a layer "mod" or "mode", got dense'],
    [
      { pattern: ["mod"], routing: { kind: "learned", gate: "one", auxiliary: null } },
      'model.routing: gate "one" gives the router no gradient of its own; set an auxiliary loss, or another gate',
    ],
    [
      {
        pattern: ["mode"],
        routing: { kind: "learned", predictor: null },
        experts: { choice: "expert", auxiliary: null },
      },
      "model.experts: must have a remedy in common with routing (auxiliary or predictor), or nothing decides causally",
    ],
  ])("of the model: %j", (change, problem) => {
    expect(problemsOf({ model: { ...model, ...change }, train: { horizon } })).toEqual([problem]);
  });

  test("are counted in the message", () => {
    expect(() => resolveConfig({ seed: -1, model: { ...model, dModel: 0 }, train: { horizon } })).toThrow(
      /^configuration: 2 values are not allowed:\n {2}- seed: .*\n {2}- model.dModel: /,
    );
  });

  test("of things that are no configuration are ConfigErrors too", () => {
    for (const input of [null, undefined, 3, "text", [], () => 0]) expect(problemsOf(input)).toHaveLength(1);
  });
});

test("a stated vocabulary must be the tokenizer's", () => {
  const stated = resolveConfig({ model: { ...model, vocabSize: 300 }, train: { horizon } });
  expect(modelOf(stated, 300).vocabSize).toBe(300);
  expect(() => modelOf(stated, 257)).toThrow("model.vocabSize: must be the tokenizer's 257, got 300; leave it out");
});

describe("presets", () => {
  test.each(PRESETS.map(({ name, config }) => [name, config] as const))("%s builds a training graph", (_, input) => {
    const config = resolveConfig(input);
    const vocabSize = config.data.tokenizer.kind === "bpe" ? config.data.tokenizer.vocabSize : 257;
    const graph = gradientGraph(modelSchema.parse({ ...config.model, vocabSize }), 1);
    expect(Object.keys(graph.outputs)).toContain("next.gradient.embedding");
  });

  test("a size alone is its Mixture-of-Depths variant", () => {
    expect(findPreset("tiny")?.name).toBe("tiny-mod");
    expect(findPreset("tiny-dense")?.name).toBe("tiny-dense");
    expect(findPreset("vast")).toBeUndefined();
  });
});

const count = (max: number) => fc.integer({ min: 1, max });
const real = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** Inputs that are mostly allowed. */
const inputs = fc.record({
  seed: maybe(fc.nat()),
  model: fc.record({
    seqLen: count(64),
    nLayer: count(4),
    dModel: fc.constantFrom(8, 12, 16),
    nHead: count(4),
    nKvHead: maybe(count(2)),
    mlp: maybe(fc.constantFrom("squaredRelu", "gelu", "swiglu")),
    pattern: maybe(fc.array(fc.constantFrom("dense", "mod"), { minLength: 1, maxLength: 3 })),
    routing: maybe(
      fc.oneof(
        fc.record({ kind: fc.constant("learned"), capacityRatio: real(0.01, 1), predictor: fc.constantFrom(null, {}) }),
        fc.record({ kind: fc.constant("random"), gate: fc.constantFrom("linear", "one") }),
      ),
    ),
    tiedHead: maybe(fc.boolean()),
  }),
  data: maybe(fc.record({ validationFraction: real(0.01, 0.99), sources: fc.array(fc.string(), { minLength: 1 }) })),
  train: fc.record({
    horizon: fc.oneof(
      fc.record({ kind: fc.constant("steps"), steps: count(1e6) }),
      fc.record({ kind: fc.constant("flops"), budget: real(1, 1e18) }),
    ),
    learningRate: maybe(fc.record({ peak: real(1e-6, 1), warmup: real(0.01, 1) })),
    optimizer: maybe(
      fc.record({ clipNorm: fc.option(real(0.1, 5)), decay: fc.subarray(["matrix", "norm", "router"]) }),
    ),
  }),
});

/** What a computation gives or throws. */
function outcomeOf<T>(compute: () => T): { value: T } | { error: unknown } {
  try {
    return { value: compute() };
  } catch (error) {
    return { error };
  }
}

describe("properties", () => {
  test("what resolves also resolves after a JSON round trip, to the same", () => {
    let resolved = 0;
    fc.assert(
      fc.property(inputs, (input) => {
        const outcome = outcomeOf(() => resolveConfig(input));
        if ("error" in outcome) expect(outcome.error).toBeInstanceOf(ConfigError);
        else {
          resolved++;
          expect(resolveConfig(JSON.parse(JSON.stringify(outcome.value)))).toEqual(outcome.value);
        }
      }),
      cases(300),
    );
    expect(resolved).toBeGreaterThan(20);
  });

  test("random overrides give a configuration, a ConfigError or an OverrideError, and nothing else", () => {
    const key = fc.oneof(
      fc.constantFrom("model", "train", "data", "routing", "kind", "horizon", "pattern", "nLayer", "0", "optimizer"),
      fc.constantFrom("__proto__", "constructor", "prototype", "toString", "length", ""),
      fc.string(),
    );
    const path = fc.array(key, { minLength: 1, maxLength: 4 }).map((keys) => keys.join("."));
    const value = fc.oneof(
      fc.jsonValue().map((x) => JSON.stringify(x)),
      fc.string(),
    );
    const override = fc.oneof(
      fc.tuple(path, value).map(([at, to]) => `${at}=${to}`),
      fc.string(),
    );
    const preset = findPreset("tiny")!.config;
    fc.assert(
      fc.property(fc.array(override, { maxLength: 4 }), (overrides) => {
        const outcome = outcomeOf(() => resolveConfig(applyOverrides(preset, overrides)));
        if ("value" in outcome) expect(outcome.value.model.seqLen).toBeGreaterThan(0);
        else {
          const { error } = outcome;
          expect(error instanceof ConfigError || error instanceof OverrideError, String(error)).toBe(true);
        }
      }),
      cases(1000),
    );
    expect(preset).toEqual(findPreset("tiny")!.config);
  });
});
