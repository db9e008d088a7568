import { availableParallelism } from "node:os";
import { z } from "zod";
import { MODELS } from "../../bench/protocol.ts";
import { sampleBench } from "../../bench/sampleBench.ts";
import { SAMPLE_CONTEXT, SAMPLE_SHAPES } from "../../bench/shapes.ts";
import { WEIGHT_FORMATS } from "../../model/weights.ts";
import { printSampleBench } from "../benchTables.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, peerOptions, whole, wholeList, wordList } from "../sharedOptions.ts";
import { UsageError } from "../usage.ts";

const options = z.strictObject({
  shapes: wordList(z.enum(SAMPLE_SHAPES))
    .default(["8x256", "8x512", "12x768"])
    .describe(`layers x width; one or more of ${SAMPLE_SHAPES.join(", ")}`)
    .meta({ value: "shape" }),
  models: wordList(z.enum(MODELS))
    .default(["dense", "mod"])
    .describe(`what to measure; one or more of ${MODELS.join(", ")}`)
    .meta({ value: "model" }),
  batches: wholeList(1).default([1, 16, 64]).describe("sequences at once").meta({ value: "n" }),
  weights: wordList(z.enum(WEIGHT_FORMATS))
    .default([...WEIGHT_FORMATS])
    .describe(`what this package keeps weights as; one or more of ${WEIGHT_FORMATS.join(", ")}`)
    .meta({ value: "kind" }),
  prompt: whole(1).default(64).describe("tokens of each prompt"),
  tokens: whole(2).default(256).describe("new tokens of each sequence"),
  rounds: whole(1).default(3).describe("generations of each row"),
  threads: whole(1).optional().describe("threads of a row at most (default: all)"),
  ...peerOptions("also PyTorch 1.13 and newest, where there are"),
  ...jsonOption,
});

export const benchSample = defineCommand({
  description:
    "Times sampling with a cache of keys and values (CPU, random weights, most likely token), of the dense model and of Mixture-of-Depths in every other block at 12.5 %, or of models with experts; with --peers also the first two in PyTorch. A token step is one more token of each sequence. Routed blocks decide by chance, so that they compute their nominal share. Each row is a process of its own, and they take turns. The limit is the time of the step's matrix products alone.",
  options,
  examples: [
    "mod bench sample",
    "mod bench sample --shapes 8x512 --batches 1,16 --weights float32 --rounds 5 --json",
    "mod bench sample --peers --peer-python python3,venv/bin/python",
  ],
  async run({ options: { peers, peerPython, threads = availableParallelism(), ...given }, output }) {
    const length = given.prompt + given.tokens;
    if (length > SAMPLE_CONTEXT)
      throw new UsageError([
        `--tokens: prompt and new tokens must be at most ${SAMPLE_CONTEXT} together, got ${length}`,
      ]);
    const result = await sampleBench({
      ...given,
      threads,
      pythons: peers ? peerPython : [],
      openProgress: (total) => output.progress("bench", total),
    });
    printSampleBench(result, output);
    return result;
  },
});
