import { existsSync } from "node:fs";
import { z } from "zod";
import { renderRoutingMap } from "../../render/terminal.ts";
import { chooseRule } from "../../sample/chooseRule.ts";
import { routingOf } from "../../sample/routingOf.ts";
import { startRun } from "../../train/startRun.ts";
import { defineCommand } from "../command.ts";
import { openModel } from "../openModel.ts";
import { presetWithOverrides, setOption } from "../runConfigOptions.ts";
import { continueRun, dataFor } from "../runTraining.ts";
import { printSampling, SamplingSession } from "../sampling.ts";
import { jsonOption, makeRuntime, runtimeOptions } from "../sharedOptions.ts";
import { evaluate } from "./eval.ts";

/** Of the Constitution, article II, section 3: what the speeches of the corpus answer to. */
const SENTENCE =
  "The President shall from time to time give to the Congress information of the state of the Union, and recommend to their consideration such measures as he shall judge necessary and expedient.";
const PROMPT = "My fellow citizens, the state of our Union is";

const options = z.strictObject({
  out: z.string().default("runs/demo").describe("run folder; an unfinished one is gone on with").meta({ value: "dir" }),
  preset: z.string().default("small").describe("what to train").meta({ value: "name" }),
  ...setOption,
  ...runtimeOptions,
  ...jsonOption,
});

export const demo = defineCommand({
  description:
    "Trains a small Mixture-of-Depths model on the State of the Union addresses, scores it under top-k and under its causal rules, draws which layers compute which tokens of a sentence, and samples. About five minutes on two cores; a second call shows the trained model again.",
  options,
  async run({ options: { out, preset, set, provider, threads }, output }) {
    if (!existsSync(out)) {
      const config = presetWithOverrides(preset, set);
      const data = await dataFor(config, output);
      const { train } = data.summary;
      output.note(`State of the Union: ${train.documents} speeches, ${train.tokens} tokens to train on`);
      startRun(out, config, data);
      data.close();
    } else output.note(`${out} is there: its model is shown, trained on if need be; another --out trains another`);
    const training = await continueRun(out, output, { provider, threads });
    if (!training.finished) {
      process.exitCode = 130;
      return training;
    }
    const common = { provider, threads, json: output.json, checkpoint: "best" as const };
    output.print(
      "\nLoss on speeches it has not seen. top-k sees the future; the causal rules are what it samples with.",
    );
    const scores = await evaluate.run({
      args: [out],
      options: { ...common, maxTokens: 32_768, batchSize: 8, perToken: false, calibrated: false },
      output,
    });

    const saved = openModel(out, "best", output);
    const rule = chooseRule(saved, undefined);
    const routing = await routingOf(saved, SENTENCE, rule, await makeRuntime(common));
    output.print(`\nWhich layers compute which tokens (rule: ${rule}):\n`);
    output.print(renderRoutingMap(routing, output.style));

    output.print("\nSample:\n");
    const session = await SamplingSession.open(saved, await makeRuntime(common), {});
    const { texts, ...measured } = await session.generate(
      PROMPT,
      { tokens: 120, topP: 0.95, seed: 1 },
      { n: 1, output },
    );
    await session.close();
    printSampling(measured, output);
    output.note(
      `\nThe run folder is ${out}. Next: mod eval ${out}, mod sample ${out} --prompt "...", mod inspect ${out} --text "..."`,
    );
    return { training, scores, routing, sample: { prompt: PROMPT, ...texts[0]!, ...measured } };
  },
});
