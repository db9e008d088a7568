import { afterAll, describe, expect, test } from "vitest";
import { type EvaluationWindow, evaluationWindows } from "../data/evaluationWindows.ts";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import { capacityOf, derived, type ModelConfig, routedLayers } from "../model/config.ts";
import { EVALUATION_RULES, type EvaluationRule, graphRule } from "../model/rules.ts";
import {
  livelyParameters,
  someTokens,
  tinyDense,
  tinyMod,
  tinyMode,
  tinyMoe,
  tinyRandom,
} from "../model/testing/tinyModel.ts";
import { type Executor, floats } from "../runtime/executor.ts";
import {
  type EvaluateOptions,
  type EvaluationResult,
  Evaluator,
  type RuleResult,
  type ScoredToken,
} from "./evaluate.ts";
import { decisionQuality } from "./routingMetrics.ts";
import { runtime } from "./testing/tinyRun.ts";

const T = 8;
const V = 11;
const END = 10;
/** Bytes of each token: ids 0 to 9 stand for 1 to 4 bytes, the end of the text for none. */
const TOKEN_BYTES = Int32Array.of(1, 1, 2, 3, 4, 1, 1, 2, 1, 1, 0);

const models = {
  ...{ dense: tinyDense(), mod: tinyMod(), random: tinyRandom("linear") },
  ...{
    moe: tinyMoe({ noOps: 2, capacityFactor: 0.75 }),
    mode: tinyMode({ choice: "expert", predictor: { width: 4 } }),
  },
};
type Kind = keyof typeof models;
const KINDS = Object.keys(models) as Kind[];

/** Ids of a text without the end-of-text token. */
const textOf = (length: number, seed = 0) => someTokens(1, length, V - 1, seed);

/** Three documents: longer than the context, of one token (shorter than 1/ratio), and of exactly the context. */
const DOCUMENTS = [textOf(21), textOf(1, 3), textOf(8, 5)];
const WINDOWS = DOCUMENTS.flatMap((document) => evaluationWindows(document, T, END));
const IDS = DOCUMENTS.flatMap((document) => [...document]);

const evaluators = new Map<ModelConfig, Evaluator>();
afterAll(async () => {
  for (const evaluator of evaluators.values()) await evaluator.dispose();
});

/** Scores windows; the compiled graphs of a model serve all tests. */
function evaluate(model: ModelConfig, options: EvaluateOptions = {}, windows: readonly EvaluationWindow[] = WINDOWS) {
  const evaluator = evaluators.get(model) ?? new Evaluator(model, TOKEN_BYTES, runtime);
  evaluators.set(model, evaluator);
  return evaluator.evaluate(windows, livelyParameters(model), options);
}

/** What one window gives under a rule, by itself and without padding. */
interface WindowPass {
  readonly logits: Float32Array;
  readonly through: readonly Uint8Array[];
  readonly routerWeights: readonly Float32Array[];
}

async function passes(model: ModelConfig, rule: EvaluationRule): Promise<WindowPass[]> {
  const executor: Executor = await runtime.compile(causalGraph(model, graphRule(rule), "logits"));
  const results: WindowPass[] = [];
  for (const [i, { tokens, length }] of WINDOWS.entries()) {
    const noiseKeys = [{ seed: 0, sequence: i }];
    const feeds = causalFeeds({ tokens: tokens.slice(), lengths: [length], width: length, noiseKeys }, model);
    const outputs = await executor.run({ ...feeds, ...livelyParameters(model) });
    const layers = routedLayers(model).map((_, layer) => layer);
    results.push({
      logits: floats(outputs, "logits"),
      through: layers.map((layer) => outputs[`routedThrough.${layer}`]!.data as Uint8Array),
      routerWeights: layers.map((layer) => floats(outputs, `routerWeights.${layer}`)),
    });
  }
  await executor.dispose();
  return results;
}

/** −log softmax(logits)[target] in double precision. */
function lossOf(logits: Float32Array, target: number): number {
  return Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0)) - logits[target]!;
}

const lossesOf = ({ logits }: WindowPass, { targets }: EvaluationWindow) =>
  Array.from(targets, (target, t) => lossOf(logits.subarray(t * V, (t + 1) * V), target));

/** Whether position t is among the C largest of a sequence, lower positions first under ties. */
function isTop(r: Float32Array, t: number, capacity: number): boolean {
  return r.filter((other, i) => other > r[t]! || (other === r[t] && i < t)).length < capacity;
}

interface Decision {
  readonly layer: number;
  readonly chosen: boolean;
  readonly top: boolean;
  /** The choice of the pass that used top-k in every block. */
  readonly reference: boolean;
}

/** All decisions of a rule: each token in each routed layer. */
async function decisionsOf(model: ModelConfig, rule: EvaluationRule): Promise<Decision[]> {
  const [own, reference] = [await passes(model, rule), await passes(model, "topk")];
  return own.flatMap(({ through, routerWeights }, window) =>
    through.flatMap((choices, layer) =>
      Array.from(choices, (chosen, t) => ({
        layer,
        chosen: chosen === 1,
        top: isTop(routerWeights[layer]!, t, capacityOf(derived(model).capacityRatio, choices.length)),
        reference: reference[window]!.through[layer]![t] === 1,
      })),
    ),
  );
}

const presentRules = ({ rules }: EvaluationResult) =>
  (Object.entries(rules) as [EvaluationRule, RuleResult | null][]).flatMap(([rule, result]) =>
    result === null ? [] : [[rule, result] as const],
  );

/** Counts and shares of them alone: an entropy is a sum of rounded numbers. */
const withoutEntropy = ({ experts, ...others }: Partial<RuleResult>) => ({
  ...others,
  experts: experts?.map(({ entropy: _, ...counts }) => counts),
});

describe("loss", () => {
  test.each(KINDS)("%s: each rule's is the mean over tokens scored one window at a time, to 1e-5", async (kind) => {
    for (const [rule, { lossNats }] of presentRules(await evaluate(models[kind]))) {
      const all = (await passes(models[kind], rule)).flatMap((pass, i) => lossesOf(pass, WINDOWS[i]!));
      const mean = all.reduce((a, b) => a + b) / all.length;
      expectClose([lossNats], [mean], 1e-5, rule);
    }
  });

  test("bits per byte are nats over ln 2 and the bytes of the text", async () => {
    const result = await evaluate(models.mod);
    const bytes = IDS.reduce((sum, id) => sum + TOKEN_BYTES[id]!, 0);
    expect([result.tokens, result.bytes]).toEqual([30, bytes]);
    for (const [, { lossNats, bitsPerByte }] of presentRules(result)) {
      expect(bitsPerByte).toBeCloseTo((lossNats * 30) / (Math.LN2 * bytes), 10);
    }
  });

  test.each(KINDS)("%s: the batch size changes nothing, to 1e-5; decisions are the same", async (kind) => {
    const [alone, together] = [
      await evaluate(models[kind], { batchSize: 1 }),
      await evaluate(models[kind], { batchSize: 7 }),
    ];
    for (const [rule, { lossNats, bitsPerByte, ...routing }] of presentRules(together)) {
      const { lossNats: loss, bitsPerByte: bits, ...others } = alone.rules[rule]!;
      expectClose([lossNats, bitsPerByte], [loss, bits], 1e-5, rule);
      expect(withoutEntropy(routing), rule).toEqual(withoutEntropy(others));
    }
  });

  test("an empty text is an error", async () => {
    await expect(evaluate(models.dense, {}, [])).rejects.toThrow(
      "the text must have at least one token, got an empty text",
    );
  });
});

describe("rules", () => {
  const presentIn = async (model: ModelConfig, options: EvaluateOptions = {}) =>
    presentRules(await evaluate(model, options)).map(([rule]) => rule);

  test.each<[string, ModelConfig, EvaluationRule[]]>([
    ["dense", models.dense, ["dense"]],
    ["mod", models.mod, ["topk", "predictor", "auxiliary", "through", "around", "random"]],
    ["random", models.random, ["topk", "through", "around", "random"]],
    ["moe, token choice", models.moe, ["topk", "token"]],
    ["mode, expert choice", models.mode, ["topk", "predictor", "auxiliary", "through", "around", "random"]],
    ["moe, expert choice", tinyMoe({ choice: "expert" }), ["topk", "predictor", "auxiliary"]],
    ["moe, expert choice without a remedy", tinyMoe({ choice: "expert", auxiliary: null, predictor: null }), ["topk"]],
    [
      "mode, expert choice without a predictor",
      tinyMode({ choice: "expert", predictor: null }),
      ["topk", "auxiliary", "through", "around", "random"],
    ],
    ["without predictor", tinyMod({ predictor: null }), ["topk", "auxiliary", "through", "around", "random"]],
    ["without auxiliary loss", tinyMod({ auxiliary: null }), ["topk", "predictor", "through", "around", "random"]],
  ])("%s: those it was trained for and the controls; all others are null", async (_, model, rules) => {
    expect(await presentIn(model)).toEqual(rules);
    expect(await presentIn(model, { rules: EVALUATION_RULES })).toEqual(rules);
  });

  test("only those asked for are computed", async () => {
    expect(await presentIn(models.mod, { rules: ["auxiliary"] })).toEqual(["auxiliary"]);
  });

  test("random draws depend on the seed", async () => {
    const capacity = async (seed: number) => (await evaluate(models.mod, { rules: ["random"], seed })).rules.random;
    expect(await capacity(1)).toEqual(await capacity(1));
    expect(await capacity(1)).not.toEqual(await capacity(2));
  });
});

describe("routing", () => {
  test.each(["mod", "random"] as const)("%s: capacity of each layer, 1 where it is dense", async (kind) => {
    for (const [rule, { capacityByLayer }] of presentRules(await evaluate(models[kind]))) {
      const decisions = await decisionsOf(models[kind], rule);
      const share = (layer: number) => decisions.filter((d) => d.layer === layer && d.chosen).length / IDS.length;
      expect(capacityByLayer, rule).toEqual([1, share(0), 1, share(1)]);
    }
  });

  test("top-k chooses max(1, round(ratio · T)) of each window: 4, 4, 3 of 5 (2.5 rounds up), 1 and 4", async () => {
    const { rules } = await evaluate(models.mod);
    expect(rules.topk!.capacityByLayer).toEqual([1, 16 / 30, 1, 16 / 30]);
    expect(rules.through!.capacityByLayer).toEqual([1, 1, 1, 1]);
    expect(rules.around!.capacityByLayer).toEqual([1, 0, 1, 0]);
  });

  test.each(["mod", "random"] as const)("%s: quality equals counting decision by decision", async (kind) => {
    for (const [rule, result] of presentRules(await evaluate(models[kind]))) {
      const decisions = await decisionsOf(models[kind], rule);
      const count = (keep: (decision: Decision) => boolean) => decisions.filter(keep).length;
      const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
      const [truePositive, chosen, top] = [
        count((d) => d.chosen && d.top),
        count((d) => d.chosen),
        count((d) => d.top),
      ];
      const { accuracy, precision, recall, f1, agreement } = result;
      expect(accuracy, rule).toBeCloseTo(count((d) => d.chosen === d.top) / decisions.length, 12);
      expect(precision, rule).toBeCloseTo(ratio(truePositive, chosen), 12);
      expect(recall, rule).toBeCloseTo(ratio(truePositive, top), 12);
      expect(f1, rule).toBeCloseTo(ratio(2 * truePositive, chosen + top), 12);
      expect(agreement, rule).toBeCloseTo(count((d) => d.chosen === d.reference) / decisions.length, 12);
    }
  });

  test("experts decide on tokens that enter their layer: where none does, only the routers' decisions count", async () => {
    const { accuracy } = (await evaluate(models.mode)).rules.around!;
    const decisions = await decisionsOf(models.mode, "around");
    expect(accuracy).toBeCloseTo(decisions.filter(({ top }) => !top).length / decisions.length, 12);
  });

  test("of top-k itself is perfect and agrees with itself", async () => {
    const { accuracy, precision, recall, f1, agreement } = (await evaluate(models.mod)).rules.topk!;
    expect([accuracy, precision, recall, f1, agreement]).toEqual([1, 1, 1, 1, 1]);
  });

  test("agreement is null where top-k was not run, and does not depend on the order of the rules", async () => {
    const agreementOf = async (rules: EvaluationRule[]) =>
      (await evaluate(models.mod, { rules })).rules.auxiliary!.agreement;
    expect(await agreementOf(["auxiliary"])).toBeNull();
    expect(await agreementOf(["auxiliary", "topk"])).toBe(await agreementOf(["topk", "auxiliary"]));
  });

  test("of a dense model is not reported", async () => {
    const { dense } = (await evaluate(models.dense)).rules;
    expect(Object.keys(dense!).sort()).toEqual(["bitsPerByte", "capacityByLayer", "lossNats"]);
    expect(dense!.capacityByLayer).toEqual([1, 1, 1, 1]);
  });
});

describe("scored tokens", () => {
  async function scored(model: ModelConfig, batchSize: number) {
    const [tokens, progress]: [ScoredToken[], number[]] = [[], []];
    const options = {
      batchSize,
      onToken: (t: ScoredToken) => tokens.push(t),
      onProgress: (n: number) => progress.push(n),
    };
    return { result: await evaluate(model, options), tokens, progress };
  }

  test.each(KINDS)("%s: come once each, in the order of the text, and add up to the result", async (kind) => {
    const { result, tokens } = await scored(models[kind], 2);
    expect(tokens.map(({ id }) => id)).toEqual(IDS);
    for (const [rule, { lossNats, capacityByLayer }] of presentRules(result)) {
      const sum = tokens.reduce((total, token) => total + token.lossNats[rule]!, 0);
      expect(sum / IDS.length, rule).toBeCloseTo(lossNats, 10);
      for (const layer of routedLayers(models[kind])) {
        const through = tokens.filter(({ routed }) => routed[rule]!.includes(layer)).length;
        expect(through / IDS.length).toBe(capacityByLayer[layer]);
      }
    }
  });

  test("progress counts them, batch by batch", async () => {
    expect((await scored(models.dense, 2)).progress).toEqual([16, 22, 30]);
  });
});

describe("decision quality", () => {
  test("of no decision for or against is 0, not NaN", () => {
    expect(decisionQuality(0, 0, 0, 10)).toEqual({ accuracy: 1, precision: 0, recall: 0, f1: 0 });
    expect(decisionQuality(0, 4, 0, 10)).toEqual({ accuracy: 0.6, precision: 0, recall: 0, f1: 0 });
    expect(decisionQuality(0, 0, 0, 0)).toEqual({ accuracy: 0, precision: 0, recall: 0, f1: 0 });
  });
});
