import { modelOf, type RunConfig } from "../config/runConfig.ts";
import { validationWindows } from "../data/evaluationWindows.ts";
import type { PreparedData } from "../data/openData.ts";
import { tokenByteLengths } from "../data/tokenizer/tokenizer.ts";
import { TrainBatches, type TrainPosition } from "../data/trainBatches.ts";
import type { ModelConfig } from "../model/config.ts";
import { applicableRules, causalRule, type EvaluationRule } from "../model/rules.ts";
import { latestCheckpoint, removeCheckpointsAfter, type Skipped, writeCheckpoint } from "../run/checkpoint.ts";
import type { JsonObject } from "../run/json.ts";
import { MetricsWriter } from "../run/metrics.ts";
import { runPaths } from "../run/runFolder.ts";
import type { Runtime } from "../runtime/executor.ts";
import { type EvaluationResult, Evaluator } from "./evaluate.ts";
import { horizonSteps, learningRateAt, stepFlops, stepTokens } from "./schedule.ts";
import { DivergedError, type StepResult, Trainer } from "./trainer.ts";
import { TrainingState } from "./trainingState.ts";

/** What a run tells while it goes on. */
export type TrainEvent =
  | { readonly kind: "start"; readonly step: number; readonly steps: number; readonly skipped: readonly Skipped[] }
  | ({ readonly kind: "step" } & StepRecord)
  | { readonly kind: "evaluation"; readonly step: number; readonly result: EvaluationResult }
  | { readonly kind: "checkpoint"; readonly step: number; readonly dir: string }
  | { readonly kind: "interrupted"; readonly step: number; readonly steps: number }
  | { readonly kind: "done"; readonly step: number; readonly steps: number };

/** One training step, as it is written to metrics.jsonl. */
export interface StepRecord extends StepResult {
  readonly step: number;
  readonly learningRate: number;
  readonly stepMs: number;
  readonly tokensPerSecond: number;
  readonly gflopsPerSecond: number;
  /** Training tokens and FLOPs so far, this step included. */
  readonly tokens: number;
  readonly flops: number;
}

export interface TrainRunOptions {
  /** A run folder made by `createRun`, whose lock the caller holds. */
  readonly dir: string;
  readonly config: RunConfig;
  readonly data: PreparedData;
  readonly runtime: Runtime;
  /** When aborted, the step under way is finished and saved. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a run to its horizon, from its newest intact checkpoint if it has one. Everything that a step depends on is in the
 * checkpoint or follows from the configuration, so an interrupted run ends bit-identical to one that was not (same provider,
 * threads and kind of machine).
 *
 * @throws DivergedError when a loss is not finite; the last checkpoint stays.
 */
export async function* trainRun(options: TrainRunOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const run = await RunInProgress.open(options);
  try {
    yield* run.events(options.signal);
  } finally {
    await run.close();
  }
}

/** Where a run begins or goes on. */
interface Start {
  readonly model: ModelConfig;
  readonly state: TrainingState;
  readonly step: number;
  /** Of the training data; its beginning if not given. */
  readonly position?: TrainPosition;
  /** Newer checkpoints that could not be read. */
  readonly skipped: readonly Skipped[];
}

function findStart({ dir, config, data }: TrainRunOptions, model: ModelConfig): Start {
  const found = latestCheckpoint(dir);
  if (found === null) return { model, state: TrainingState.initial(model, config.seed), step: 0, skipped: [] };
  const { weights, optimizer, state, step } = found.checkpoint;
  for (const [key, value] of Object.entries(dataIdentity(data))) {
    if (state[key] === value) continue;
    throw new Error(
      `train: ${dir} must go on with the data it began with, got ${key} ${value} in place of ${state[key]}; ` +
        "restore the text, or start a new run",
    );
  }
  return {
    model,
    state: TrainingState.from(model, weights, optimizer),
    step,
    position: state.position as unknown as TrainPosition,
    skipped: found.skipped,
  };
}

/** What tells prepared data from other data. */
const dataIdentity = ({ tokenizerHash, train }: PreparedData) => ({
  tokenizerHash,
  trainTokens: train.tokens,
  trainTextBytes: train.textBytes,
});

class RunInProgress {
  readonly #dir: string;
  readonly #config: RunConfig;
  readonly #model: ModelConfig;
  readonly #data: PreparedData;
  readonly #batches: TrainBatches;
  readonly #trainer: Trainer;
  readonly #evaluator: Evaluator;
  readonly #metrics: MetricsWriter;
  readonly #state: TrainingState;
  readonly #skipped: readonly Skipped[];
  readonly #steps: number;
  #step: number;
  #validationLoss: number | undefined;

  private constructor({ dir, config, data, runtime }: TrainRunOptions, start: Start, trainer: Trainer) {
    const { train, seed } = config;
    const { model } = start;
    this.#dir = dir;
    this.#config = config;
    this.#model = model;
    this.#data = data;
    this.#trainer = trainer;
    this.#state = start.state;
    this.#step = start.step;
    this.#skipped = start.skipped;
    this.#batches = new TrainBatches(data.train, { batchSize: train.batchSize, seqLen: model.seqLen, seed });
    if (start.position) this.#batches.seek(start.position);
    this.#evaluator = new Evaluator(model, tokenByteLengths(data.tokenizer), runtime);
    this.#steps = horizonSteps(train.horizon, model, train, this.#batches.windowsPerEpoch);
    this.#metrics = new MetricsWriter(runPaths(dir).metrics);
    this.#metrics.truncateAfter(this.#step);
  }

  static async open(options: TrainRunOptions): Promise<RunInProgress> {
    const { dir, config, data, runtime } = options;
    const start = findStart(options, modelOf(config, data.tokenizer.vocabSize));
    const trainer = await Trainer.create(start.model, config.train, config.seed, runtime);
    // Later checkpoints could not be read: they belong to a history that is written anew now.
    removeCheckpointsAfter(dir, start.step);
    return new RunInProgress(options, start, trainer);
  }

  async *events(signal: AbortSignal | undefined): AsyncGenerator<TrainEvent, void, undefined> {
    const { evaluate, checkpoint } = this.#config.train;
    const steps = this.#steps;
    yield { kind: "start", step: this.#step, steps, skipped: this.#skipped };
    let saved = this.#step;
    while (this.#step < steps) {
      yield await this.#trainStep();
      const last = this.#step === steps;
      if (last || this.#step % evaluate.every === 0) yield await this.#evaluate();
      const stop = signal?.aborted === true;
      if (last || stop || this.#step % checkpoint.every === 0) {
        yield await this.#save();
        saved = this.#step;
      }
      if (stop && !last) {
        yield { kind: "interrupted", step: saved, steps };
        return;
      }
      // ONNX Runtime runs on this thread: let signals and timers in between two steps.
      await new Promise((resolve) => setImmediate(resolve));
    }
    yield { kind: "done", step: steps, steps };
  }

  async close(): Promise<void> {
    this.#metrics.close();
    await this.#trainer.dispose();
    await this.#evaluator.dispose();
  }

  async #trainStep(): Promise<TrainEvent> {
    const { train } = this.#config;
    const step = this.#step + 1;
    const learningRate = learningRateAt(step, this.#steps, train.learningRate);
    const started = performance.now();
    const batches = Array.from({ length: train.accumulate }, () => this.#batches.next());
    const result = await this.#trainer.step(this.#state, batches, step, learningRate);
    const stepMs = performance.now() - started;
    this.#step = step;
    // A checkpoint keeps the loss of its own weights only.
    this.#validationLoss = undefined;
    const [tokens, flops] = [stepTokens(this.#model, train), stepFlops(this.#model, train)];
    const record: StepRecord = {
      step,
      ...result,
      learningRate,
      stepMs,
      tokensPerSecond: (1000 * tokens) / stepMs,
      gflopsPerSecond: flops / stepMs / 1e6,
      tokens: step * tokens,
      flops: step * flops,
    };
    this.#metrics.append({ kind: "step", ...record } as unknown as JsonObject & { step: number });
    return { kind: "step", ...record };
  }

  async #evaluate(): Promise<TrainEvent> {
    const { tokens } = this.#config.train.evaluate;
    const windows = validationWindows(this.#data.validation, this.#model.seqLen, { maxTokens: tokens });
    const result = await this.#evaluator.evaluate(windows, this.#state.values, { rules: headlineRules(this.#model) });
    const rule = causalRule(this.#model) ?? "topk";
    this.#validationLoss = result.rules[rule]!.lossNats;
    const record = { kind: "evaluation", step: this.#step, result } as const;
    this.#metrics.append(record as unknown as JsonObject & { step: number });
    return record;
  }

  /** An update that overflows shows in the losses only one step later: too late for the checkpoint between. */
  #checkWeights(): void {
    for (const [name, { data }] of this.#state.weights) {
      if (data.every(Number.isFinite)) continue;
      throw new DivergedError(
        `train: parameters must be finite, got others in "${name}" after step ${this.#step}; lower train.learningRate.peak`,
      );
    }
  }

  async #save(): Promise<TrainEvent> {
    const { keepLast, keepBest } = this.#config.train.checkpoint;
    await this.#state.sync();
    this.#checkWeights();
    // The metrics up to here must be as durable as the checkpoint that refers to them.
    this.#metrics.flush();
    const { dir } = writeCheckpoint(
      this.#dir,
      {
        step: this.#step,
        weights: this.#state.weights,
        optimizer: this.#state.moments,
        state: {
          position: { ...this.#batches.position },
          seed: this.#config.seed,
          ...dataIdentity(this.#data),
          steps: this.#steps,
        },
        validationLoss: this.#validationLoss,
      },
      { keepLast, keepBest },
    );
    return { kind: "checkpoint", step: this.#step, dir };
  }
}

/** What is evaluated while training: all but the controls, which are top-k and each rule the model is trained for. */
const headlineRules = (model: ModelConfig): EvaluationRule[] =>
  applicableRules(model).filter(
    (rule) => ["topk", "predictor", "auxiliary"].includes(rule) || rule === causalRule(model),
  );
