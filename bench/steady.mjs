/**
 * What must hold beside the speed of one step: memory that does not grow, data that never keeps a step waiting, gradient
 * accumulation and evaluation at the rate of the step. Trains 8x256 on the State of the Union addresses and prints one JSON
 * document: `node bench/steady.mjs [--steps 500] [--model mod]`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { modelConfig, settingsOf } from "../dist/bench/shapes.js";
import { median } from "../dist/bench/statistics.js";
import { TrainBatches } from "../dist/data/trainBatches.js";
import {
  Evaluator,
  forwardFlops,
  nodeRuntime,
  prepareData,
  resolveConfig,
  Trainer,
  TrainingState,
  tokenByteLengths,
  totalFlops,
  trainingFlops,
  validationWindows,
} from "../dist/index.js";

const { values } = parseArgs({
  options: { steps: { type: "string", default: "500" }, model: { type: "string", default: "mod" } },
});
const steps = Number(values.steps);
const threads = availableParallelism();
const settings = settingsOf("8x256", values.model, threads);
const model = modelConfig(settings);
const runtime = nodeRuntime({ threads });
const folder = mkdtempSync(path.join(tmpdir(), "mod-steady-"));
const data = await prepareData({
  sources: ["sotu"],
  tokenizer: { kind: "bpe", vocabSize: 4096 },
  outDir: path.join(folder, "data"),
});
const batches = new TrainBatches(data.train, { batchSize: settings.batch, seqLen: model.seqLen, seed: 0 });
const state = TrainingState.initial(model, 0);

const rssMiB = () => process.memoryUsage().rss / 2 ** 20;

/** Trains on, and tells how long steps and their batches took. */
async function train(count, accumulate, onStep = () => {}) {
  const { train } = resolveConfig({
    model,
    train: { batchSize: settings.batch, accumulate, horizon: { kind: "steps", steps } },
  });
  const trainer = await Trainer.create(model, train, 0, runtime);
  const [stepMs, batchMs] = [[], []];
  for (let step = 1; step <= count; step++) {
    let started = performance.now();
    const next = Array.from({ length: accumulate }, () => batches.next());
    batchMs.push(performance.now() - started);
    started = performance.now();
    await trainer.step(state, next, step, 3e-4);
    stepMs.push(performance.now() - started);
    onStep(step);
  }
  await trainer.dispose();
  const flops = totalFlops(trainingFlops(model)) * settings.batch * accumulate;
  return {
    stepMs: median(stepMs.slice(2)),
    gflops: flops / median(stepMs.slice(2)) / 1e6,
    batchMs: { median: median(batchMs), max: Math.max(...batchMs) },
  };
}

const memory = [];
const plain = await train(steps, 1, (step) => {
  if (step % 50 === 0) memory.push({ step, rssMiB: Math.round(rssMiB()) });
});
const accumulated = await train(12, 4);

const evaluator = new Evaluator(model, tokenByteLengths(data.tokenizer), runtime);
const evaluation = {};
for (const rule of values.model === "dense" ? ["dense"] : ["topk", "predictor"]) {
  const run = () =>
    evaluator.evaluate(validationWindows(data.validation, model.seqLen, { maxTokens: 32_768 }), state.values, {
      rules: [rule],
    });
  await run();
  const started = performance.now();
  const { tokens } = await run();
  const ms = performance.now() - started;
  // Under every rule all tokens are computed, those routed around masked: the dense model's FLOPs.
  const dense = modelConfig(settingsOf("8x256", "dense", threads));
  evaluation[rule] = {
    tokensPerSecond: (1000 * tokens) / ms,
    gflops: (totalFlops(forwardFlops(dense)) * tokens) / model.seqLen / ms / 1e6,
  };
}
await evaluator.dispose();
data.close();
rmSync(folder, { recursive: true });
console.log(JSON.stringify({ model: values.model, threads, steps, memory, plain, accumulated, evaluation }, null, 2));
