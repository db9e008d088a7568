/** The process that measures this package's training step: run as a program, see protocol.ts. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { resolveConfig } from "../config/runConfig.ts";
import type { Batch } from "../data/batch.ts";
import { packageVersion } from "../run/provenance.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { Trainer } from "../train/trainer.ts";
import { TrainingState } from "../train/trainingState.ts";
import { type Question, type Ready, type StepSettings, stepSettingsSchema, tokenAt } from "./protocol.ts";
import { modelConfig } from "./shapes.ts";

const LEARNING_RATE = 1e-3;
const WARM_STEPS = 3;

/** A trainer and its batch. */
async function prepare(settings: StepSettings) {
  const model = modelConfig(settings);
  const horizon = { kind: "steps", steps: WARM_STEPS };
  const { train } = resolveConfig({ model, train: { batchSize: settings.batch, horizon } });
  const trainer = await Trainer.create(model, train, 0, nodeRuntime({ threads: settings.threads }));
  const state = TrainingState.initial(model, 0);
  const batches = [batchOf(settings)];
  let steps = 0;
  return {
    step: async () => (await trainer.step(state, batches, ++steps, LEARNING_RATE)).losses.lm,
    forwardBackward: () => trainer.forwardBackward(state, batches, steps + 1),
    end: () => trainer.dispose(),
  };
}

function batchOf({ batch, seqLen, vocabSize }: StepSettings): Batch {
  const tokens = Int32Array.from({ length: batch * seqLen }, (_, i) => tokenAt(i, vocabSize));
  return { batchSize: batch, seqLen, tokens, targets: tokens, documents: new Int32Array(tokens.length) };
}

async function timed(work: () => Promise<unknown>) {
  const started = performance.now();
  await work();
  return { ms: performance.now() - started };
}

/** Largest resident memory so far, MiB. Not `resourceUsage`, which counts what the parent had when it started this process. */
function peakMiB(): number {
  try {
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024; // no Linux
  }
}

const answer = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

const settings = stepSettingsSchema.parse(JSON.parse(process.argv[2]!));
const { step, forwardBackward, end } = await prepare(settings);
const losses: number[] = [];
for (let i = 0; i < WARM_STEPS; i++) losses.push(await step());
const ready: Ready = {
  version: packageVersion(),
  threads: settings.threads,
  losses: [losses[0]!, losses.at(-1)!],
  peakMiB: peakMiB(),
};
answer(ready);

const answers: Readonly<Record<Question, () => object | Promise<object>>> = {
  step: () => timed(step),
  forwardBackward: () => timed(forwardBackward),
};
for await (const line of createInterface(process.stdin)) answer(await answers[line as Question]());
await end();
