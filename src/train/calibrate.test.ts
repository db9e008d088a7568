import { expect, test } from "vitest";
import { evaluationWindows } from "../data/evaluationWindows.ts";
import { derived, routedLayers } from "../model/config.ts";
import { livelyParameters, someTokens, tinyMod } from "../model/testing/tinyModel.ts";
import { randomBelow } from "../random.ts";
import { calibrateThresholds } from "./calibrate.ts";
import { Evaluator } from "./evaluate.ts";
import { runtime } from "./testing/tinyRun.ts";

const END = 10;
const model = tinyMod({ capacityRatio: 0.25 }, { seqLen: 32 });
const parameters = livelyParameters(model);
const text = Int32Array.from({ length: 2000 }, (_, i) => randomBelow(10, 4, i));
const windows = evaluationWindows(text, model.seqLen, END);
const tokenBytes = new Int32Array(11).fill(1);

test.each(["predictor", "auxiliary"] as const)(
  "under %s each routed layer computes its nominal share",
  async (rule) => {
    let scored = 0;
    const onProgress = (tokens: number) => {
      scored = tokens;
    };
    const thresholds = await calibrateThresholds(model, parameters, windows, { rule, runtime, rounds: 4, onProgress });
    expect(thresholds).toHaveLength(derived(model).nRouted);
    expect(scored).toBe(4 * text.length);
    const shares = async (options: ConstructorParameters<typeof Evaluator>[3]) => {
      const evaluator = new Evaluator(model, tokenBytes, runtime, options);
      const { rules } = await evaluator.evaluate(windows, parameters, { rules: [rule] });
      await evaluator.dispose();
      return routedLayers(model).map((layer) => rules[rule]!.capacityByLayer[layer]!);
    };
    const before = await shares({});
    const after = await shares({ thresholds: { [rule]: thresholds } });
    for (const share of after) expect(share).toBeCloseTo(0.25, 2);
    expect(before.some((share) => Math.abs(share - 0.25) > 0.05)).toBe(true);
    const budgeted = await shares({ thresholds: { [rule]: thresholds }, budget: 0.125 });
    for (const share of budgeted) expect(share).toBeLessThanOrEqual(0.125 + 1 / model.seqLen);
  },
);

test("a threshold on r serves a model that was trained for no rule", async () => {
  const untrained = tinyMod({ auxiliary: null, predictor: null });
  const evaluator = new Evaluator(untrained, tokenBytes, runtime, { thresholds: { auxiliary: [0.1, 0.2] } });
  const own = evaluationWindows(someTokens(1, 20, 10), untrained.seqLen, END);
  const { rules } = await evaluator.evaluate(own, livelyParameters(untrained));
  await evaluator.dispose();
  expect(rules.auxiliary).not.toBeNull();
  expect(rules.predictor).toBeNull();
});
