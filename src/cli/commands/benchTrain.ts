import { availableParallelism } from "node:os";
import { z } from "zod";
import { MODELS } from "../../bench/protocol.ts";
import { SHAPES } from "../../bench/shapes.ts";
import { trainBench } from "../../bench/trainBench.ts";
import { printTrainBench } from "../benchTables.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, peerOptions, whole, wordList } from "../sharedOptions.ts";

const options = z.strictObject({
  shapes: wordList(z.enum(SHAPES))
    .default(["8x256", "8x512"])
    .describe(`layers x width; one or more of ${SHAPES.join(", ")}`)
    .meta({ value: "shape" }),
  models: wordList(z.enum(MODELS))
    .default(["dense", "mod"])
    .describe(`what to measure; one or more of ${MODELS.join(", ")}`)
    .meta({ value: "model" }),
  steps: whole(1).default(10).describe("timed rounds"),
  threads: whole(1).optional().describe("threads of a row at most (default: all)"),
  batch: whole(1).optional().describe("sequences a step (default: the shape's)"),
  seqLen: whole(1).optional().describe("tokens a sequence (default: the shape's)"),
  ...peerOptions("also PyTorch 1.13 and newest, torch.compile and JAX, where there are"),
  ...jsonOption,
});

export const benchTrain = defineCommand({
  description:
    "Times full training steps (forward, backward, clipping, AdamW; float32, CPU) and forward and backward alone, of the dense model and of Mixture-of-Depths in every other block at 12.5 %, or of models with experts; with --peers also the first two in other frameworks. Each row is a process of its own, and they take turns. GFLOP/s are counted FLOPs (mod flops: attention as the full square) over the median step.",
  options,
  examples: [
    "mod bench train",
    "mod bench train --shapes 8x256 --models mod --steps 20 --threads 1 --json",
    "mod bench train --peers --peer-python python3,venv/bin/python",
  ],
  async run({ options: { peers, peerPython, threads = availableParallelism(), ...given }, output }) {
    const result = await trainBench({
      ...given,
      threads,
      pythons: peers ? peerPython : [],
      openProgress: (total) => output.progress("bench", total),
    });
    printTrainBench(result, output);
    return result;
  },
});
