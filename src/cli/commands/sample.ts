import { z } from "zod";
import { generate } from "../../sample/generate.ts";
import { defineCommand } from "../command.ts";
import { openModel } from "../openModel.ts";
import { checkpointOption, jsonOption, makeRuntime, real, runtimeOptions, whole } from "../sharedOptions.ts";

const options = z.strictObject({
  prompt: z.string().default("").describe("text to continue"),
  tokens: whole(1).default(200).describe("most tokens to generate"),
  temperature: real(0).default(0.8).describe("0 takes the most likely token"),
  topK: whole(0).default(0).describe("only the k most likely tokens; 0 for all"),
  topP: real(0, 1).default(1).describe("only the most likely tokens of total probability p"),
  seed: whole(0).default(0).describe("the same seed gives the same text"),
  rule: z.enum(["predictor", "auxiliary"]).optional().describe("which causal rule decides (default: the model's)"),
  ...checkpointOption,
  ...runtimeOptions,
  ...jsonOption,
});

export const sample = defineCommand({
  description:
    "Continues a prompt token by token, routing under the causal rule from the prompt's first token on. Ends after --tokens tokens or where the model ends the document.",
  arguments: [{ name: "run", description: "run folder" }],
  options,
  examples: ['mod sample runs/small --prompt "The state of the Union" --tokens 100'],
  async run({ args: [dir], options: given, output }) {
    const { prompt, tokens, temperature, topK, topP, seed, rule } = given;
    const saved = openModel(dir!, given.checkpoint, output);
    const runtime = await makeRuntime(given);
    const stop = new AbortController();
    const interrupt = () => stop.abort();
    process.once("SIGINT", interrupt);
    const started = performance.now();
    const generated = [];
    output.writeText(prompt);
    const settings = { tokens, temperature, topK, topP, seed, ...(rule && { rule }), signal: stop.signal };
    for await (const token of generate(saved, prompt, runtime, settings)) {
      generated.push(token);
      output.writeText(token.text);
      await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in: a pass holds this thread
    }
    output.print();
    process.off("SIGINT", interrupt);
    if (stop.signal.aborted) process.exitCode = 130;
    const seconds = (performance.now() - started) / 1000;
    return {
      prompt,
      text: generated.map(({ text }) => text).join(""),
      tokens: generated.map(({ id }) => id),
      tokensPerSecond: generated.length / seconds,
      routedLayers: generated.map(({ routedLayers }) => routedLayers),
      logProbabilities: generated.map(({ logProbability }) => logProbability),
    };
  },
});
