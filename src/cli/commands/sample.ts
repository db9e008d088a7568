import { z } from "zod";
import { WEIGHT_FORMATS } from "../../model/weights.ts";
import { SAMPLER_DEFAULTS } from "../../sample/sampler.ts";
import { defineCommand } from "../command.ts";
import { interactive } from "../interactive.ts";
import { openModel } from "../openModel.ts";
import { printSampling, SamplingSession } from "../sampling.ts";
import {
  capacityOptions,
  checkpointOption,
  jsonOption,
  makeRuntime,
  real,
  runtimeOptions,
  whole,
} from "../sharedOptions.ts";

const options = z.strictObject({
  prompt: z.string().default("").describe("text to continue"),
  tokens: whole(1).default(200).describe("most tokens to generate"),
  n: whole(1).default(1).describe("texts to generate, together; the k-th is what seed + k gives alone"),
  temperature: real(0).default(SAMPLER_DEFAULTS.temperature).describe("0 takes the most likely token"),
  topK: whole(0).default(SAMPLER_DEFAULTS.topK).describe("only the k most likely tokens; 0 for all"),
  topP: real(0, 1)
    .refine((p) => p > 0, { error: "must be a number above 0, up to 1" })
    .default(SAMPLER_DEFAULTS.topP)
    .describe("only the most likely tokens of total probability p"),
  minP: real(0, 1)
    .default(SAMPLER_DEFAULTS.minP)
    .describe("only tokens at least p times as likely as the most likely one"),
  repetitionPenalty: real(1e-6, 1e6)
    .default(SAMPLER_DEFAULTS.repetitionPenalty)
    .describe("above 1, makes tokens that were there before less likely"),
  stop: z.array(z.string()).default([]).describe("strings that end the text, and are no part of it"),
  seed: whole(0).default(0).describe("the same seed gives the same text"),
  rule: z.enum(["predictor", "auxiliary"]).optional().describe("which causal rule decides (default: the model's)"),
  weights: z.enum(WEIGHT_FORMATS).default("float32").describe("how the weights of products are stored"),
  ...capacityOptions,
  logprobs: whole(0).default(0).describe("with --json, so many of the likeliest tokens in each place"),
  routing: z.boolean().default(false).describe("colour each token by the routed layers that computed it"),
  interactive: z.boolean().default(false).describe("continue what is typed, line by line"),
  ...checkpointOption,
  ...runtimeOptions,
  ...jsonOption,
});

export const sample = defineCommand({
  description:
    "Continues a prompt token by token, routing under the causal rule from the prompt's first token on. Ends after --tokens tokens, at a stop string, or where the model ends the document. A text that outgrows the trained context goes on from the last half of it.",
  arguments: [{ name: "run", description: "run folder" }],
  options,
  examples: [
    'mod sample runs/small --prompt "The state of the Union" --tokens 100',
    "mod sample runs/small --n 4 --routing",
    "mod sample runs/small --interactive",
  ],
  async run({ args: [dir], options: given, output }) {
    const { prompt, n, rule, weights, calibrated, budget, routing, logprobs, seed } = given;
    const { temperature, topK, topP, minP, repetitionPenalty, tokens, stop } = given;
    const saved = openModel(dir!, given.checkpoint, output);
    const runtime = await makeRuntime(given);
    const session = await SamplingSession.open(saved, runtime, {
      ...(rule && { rule }),
      ...(budget !== undefined && { budget }),
      weights,
      calibrated,
    });
    const completion = { tokens, seed, stop, alternatives: logprobs };
    const settings = { ...completion, temperature, topK, topP, minP, repetitionPenalty };
    try {
      if (given.interactive) return await interactive(session, settings, { routing, output });
      const { texts, ...measured } = await session.generate(prompt, settings, { n, routing, output });
      printSampling(measured, output);
      const [first, ...more] = texts;
      return { prompt, ...first, ...measured, ...(more.length > 0 && { completions: texts }) };
    } finally {
      await session.close();
    }
  },
});
