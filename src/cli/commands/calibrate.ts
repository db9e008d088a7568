import { z } from "zod";
import { tokenByteLengths } from "../../data/tokenizer/tokenizer.ts";
import type { CausalRule } from "../../model/causalRule.ts";
import { derived, routedLayers } from "../../model/config.ts";
import { lockRun } from "../../run/lock.ts";
import { cleanRun } from "../../run/runFolder.ts";
import { saveCalibration } from "../../run/thresholds.ts";
import { chooseRule } from "../../sample/chooseRule.ts";
import { calibrateThresholds } from "../../train/calibrate.ts";
import { Evaluator } from "../../train/evaluate.ts";
import { defineCommand } from "../command.ts";
import { percent, table } from "../format.ts";
import { openModel } from "../openModel.ts";
import { checkpointOption, jsonOption, makeRuntime, runtimeOptions, whole } from "../sharedOptions.ts";
import { validationText } from "../validationText.ts";

/** Passes over the text while thresholds settle. */
const ROUNDS = 3;

const options = z.strictObject({
  rule: z.enum(["predictor", "auxiliary"]).optional().describe("which causal rule (default: the model's)"),
  maxTokens: whole(1).optional().describe("measure on at most so many tokens of the validation part (default: all)"),
  ...checkpointOption,
  ...runtimeOptions,
  ...jsonOption,
});

export const calibrate = defineCommand({
  description:
    "Measures the thresholds at which each routed layer computes its nominal share of the validation text, and keeps them in the run folder (thresholds.json) for --calibrated. Tells loss and capacity with the rule's own threshold and with these.",
  arguments: [{ name: "run", description: "run folder" }],
  options,
  examples: ["mod calibrate runs/small", "mod sample runs/small --calibrated"],
  async run({ args: [dir], options: given, output }) {
    const saved = openModel(dir!, given.checkpoint, output);
    const { model, parameters, step } = saved;
    if (derived(model).nRouted === 0) throw new Error(`calibrate: ${dir} must have routed layers, got none`);
    const rule = chooseRule<CausalRule>(saved, given.rule);
    const { windows, close } = await validationText(saved, output, given.maxTokens);
    const runtime = await makeRuntime(given);
    const line = output.progress("calibrate", Math.max(1, (ROUNDS + 2) * windows.tokens));
    let passed = 0;
    const score = async (thresholds?: readonly number[]) => {
      const chosen = thresholds && { thresholds: { [rule]: thresholds } };
      const evaluator = new Evaluator(model, tokenByteLengths(saved.tokenizer), runtime, chosen);
      const onProgress = (tokens: number) => line.update(passed + tokens);
      const { rules } = await evaluator.evaluate(windows, parameters, { rules: [rule], onProgress });
      await evaluator.dispose();
      passed += windows.tokens;
      return rules[rule]!;
    };
    try {
      const before = await score();
      const thresholds = await calibrateThresholds(model, parameters, windows, {
        ...{ rule, runtime, rounds: ROUNDS },
        onProgress: (tokens) => line.update(passed + tokens),
      });
      passed += ROUNDS * windows.tokens;
      const after = await score(thresholds);
      line.done();
      const lock = lockRun(saved.dir);
      try {
        cleanRun(saved.dir);
        saveCalibration(saved.dir, rule, { step, thresholds, tokens: windows.tokens });
      } finally {
        lock.release();
      }
      const rows = routedLayers(model).map((layer, i) => [
        String(layer),
        thresholds[i]!.toFixed(4),
        ...[before, after].map(({ capacityByLayer }) => percent(capacityByLayer[layer]!)),
      ]);
      output.print(table(["layer", "threshold", "capacity before", "after"], rows));
      output.print(`${rule}: ${before.lossNats.toFixed(4)} nats/token before, ${after.lossNats.toFixed(4)} after`);
      return { rule, step, tokens: windows.tokens, thresholds, before, after };
    } finally {
      close();
    }
  },
});
