import { modelOf, type RunConfig } from "../config/runConfig.ts";
import { validationWindows } from "../data/evaluationWindows.ts";
import { tokenByteLengths } from "../data/tokenizer/tokenizer.ts";
import type { TrainingData } from "../data/tokenStream.ts";
import { TrainBatches, type TrainPosition } from "../data/trainBatches.ts";
import type { ModelConfig } from "../model/config.ts";
import { applicableRules, causalRule, type EvaluationRule } from "../model/rules.ts";
import type { Skipped } from "../run/checkpointContent.ts";
import type { JsonObject } from "../run/json.ts";
import type { RunStore } from "../run/runStore.ts";
import type { HostTensors, Runtime } from "../runtime/executor.ts";
import { nextTurn } from "../runtime/nextTurn.ts";
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

export interface TrainingRunOptions {
  /** Where the run is kept; a run goes on from its newest intact checkpoint. */
  readonly store: RunStore;
  readonly config: RunConfig;
  readonly data: TrainingData;
  readonly runtime: Runtime;
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

function findStart({ store, config, data }: TrainingRunOptions, model: ModelConfig): Start {
  const found = store.latest();
  if (found === null) return { model, state: TrainingState.initial(model, config.seed), step: 0, skipped: [] };
  const { weights, optimizer, state, step } = found.checkpoint;
  for (const [key, value] of Object.entries(dataIdentity(data))) {
    if (state[key] === value) continue;
    throw new Error(
      `train: ${store.name} must go on with the data it began with, got ${key} ${value} in place of ${state[key]}; ` +
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
const dataIdentity = ({ tokenizerHash, train }: TrainingData) => ({
  tokenizerHash,
  trainTokens: train.tokens,
  trainTextBytes: train.textBytes,
});

/**
 * A run while it trains, wherever it is kept and computed. Everything that a step depends on is in the checkpoint or follows
 * from the configuration, so an interrupted run ends bit-identical to one that was not (same provider, threads and kind of
 * machine).
 */
export class TrainingRun {
  readonly #store: RunStore;
  readonly #config: RunConfig;
  readonly #model: ModelConfig;
  readonly #data: TrainingData;
  readonly #batches: TrainBatches;
  readonly #trainer: Trainer;
  readonly #evaluator: Evaluator;
  readonly #state: TrainingState;
  readonly #skipped: readonly Skipped[];
  readonly #steps: number;
  #step: number;
  #validationLoss: number | undefined;
  #isSaveWanted = false;

  private constructor({ store, config, data, runtime }: TrainingRunOptions, start: Start, trainer: Trainer) {
    const { train, seed } = config;
    const { model } = start;
    this.#store = store;
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
  }

  static async open(options: TrainingRunOptions): Promise<TrainingRun> {
    const { store, config, data, runtime } = options;
    const start = findStart(options, modelOf(config, data.tokenizer.vocabSize));
    const trainer = await Trainer.create(start.model, config.train, config.seed, runtime);
    // Later checkpoints could not be read.
    store.rewindTo(start.step);
    return new TrainingRun(options, start, trainer);
  }

  get model(): ModelConfig {
    return this.#model;
  }

  /** Parameters as they are now, `value.NAME`: good until the next step. */
  async values(): Promise<HostTensors> {
    await this.#state.syncValues();
    return this.#state.values;
  }

  /** Saves after the step under way, whatever the configuration says; between two events, before the next step. */
  requestSave(): void {
    this.#isSaveWanted = true;
  }

  /**
   * Trains to the horizon. Ask for the next event to go on; when the signal is aborted, the step under way is finished and
   * saved.
   *
   * @throws DivergedError when a loss is not finite; the last checkpoint stays.
   */
  async *events(signal?: AbortSignal): AsyncGenerator<TrainEvent, void, undefined> {
    const { evaluate, checkpoint } = this.#config.train;
    const steps = this.#steps;
    yield { kind: "start", step: this.#step, steps, skipped: this.#skipped };
    let saved = this.#step;
    while (this.#step < steps) {
      yield await this.#trainStep();
      const last = this.#step === steps;
      if (last || this.#step % evaluate.every === 0) yield await this.#evaluate();
      const stop = signal?.aborted === true;
      if (last || stop || this.#isSaveWanted || this.#step % checkpoint.every === 0) {
        yield await this.#save();
        saved = this.#step;
      }
      if (stop && !last) {
        yield { kind: "interrupted", step: saved, steps };
        return;
      }
      await nextTurn();
    }
    yield { kind: "done", step: steps, steps };
  }

  async close(): Promise<void> {
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
    this.#store.append({ kind: "step", ...record } as unknown as JsonObject & { step: number });
    return { kind: "step", ...record };
  }

  async #evaluate(): Promise<TrainEvent> {
    const { tokens } = this.#config.train.evaluate;
    const windows = validationWindows(this.#data.validation, this.#model.seqLen, { maxTokens: tokens });
    const result = await this.#evaluator.evaluate(windows, await this.values(), { rules: headlineRules(this.#model) });
    const rule = causalRule(this.#model) ?? "topk";
    this.#validationLoss = result.rules[rule]!.lossNats;
    const record = { kind: "evaluation", step: this.#step, result } as const;
    this.#store.append(record as unknown as JsonObject & { step: number });
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
    this.#isSaveWanted = false;
    const dir = this.#store.save(
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
