/**
 * Times a full training step (forward, backward, clipping, AdamW) of a dense model and its Mixture-of-Depths twin, in turn, and
 * prints one JSON document: `npm run bench [-- --steps 20 --threads 2]`. Speeds are counted FLOPs over the median time.
 */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import {
  modelSchema,
  nodeRuntime,
  resolveConfig,
  Trainer,
  TrainingState,
  totalFlops,
  trainingFlops,
} from "mixture-of-depths";

const { values } = parseArgs({ options: { steps: { type: "string", default: "15" }, threads: { type: "string" } } });
const steps = Number(values.steps);

const SHAPE = { vocabSize: 4096, seqLen: 256, nLayer: 8, dModel: 256, nHead: 4 };
const BATCH = 8;
const MODELS = {
  dense: modelSchema.parse(SHAPE),
  mod: modelSchema.parse({ ...SHAPE, pattern: ["dense", "mod"], routing: { kind: "learned" } }),
};

const runtime = nodeRuntime(values.threads ? { threads: Number(values.threads) } : {});
const size = BATCH * SHAPE.seqLen;
const tokens = Int32Array.from({ length: size }, (_, i) => (i * 7919) % SHAPE.vocabSize);
const batch = { batchSize: BATCH, seqLen: SHAPE.seqLen, tokens, targets: tokens, documents: new Int32Array(size) };

const runs = [];
for (const [name, model] of Object.entries(MODELS)) {
  const { train } = resolveConfig({ model, train: { batchSize: BATCH, horizon: { kind: "steps", steps } } });
  const trainer = await Trainer.create(model, train, 0, runtime);
  runs.push({ name, model, trainer, state: TrainingState.initial(model, 0), times: [] });
}
for (let step = 1; step <= steps + 2; step++) {
  for (const { trainer, state, times } of runs) {
    const started = performance.now();
    await trainer.step(state, [batch], step, 1e-3);
    if (step > 2) times.push(performance.now() - started); // two steps to warm up
  }
}

const rows = runs.map(({ name, model, times }) => {
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const flops = totalFlops(trainingFlops(model)) * BATCH;
  return {
    model: name,
    shape: "8x256",
    batch: BATCH,
    seqLen: SHAPE.seqLen,
    threads: runtime.threads,
    stepMs: { median, min: sorted[0] },
    tokensPerSecond: (1000 * size) / median,
    gflops: flops / median / 1e6,
    trainingFlops: flops,
  };
});
const [dense, mod] = rows;
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
console.log(
  JSON.stringify(
    {
      machine: `${cpus()[0].model}, ${cpus().length} cores`,
      commit,
      rows,
      speedup: { measured: dense.stepMs.median / mod.stepMs.median, flops: dense.trainingFlops / mod.trainingFlops },
    },
    null,
    2,
  ),
);
