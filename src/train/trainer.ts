import type { TrainConfig } from "../config/runConfig.ts";
import type { Batch } from "../data/batch.ts";
import { derived, type ModelConfig, routedLayers } from "../model/config.ts";
import type { LayerExperts } from "../model/expertHealth.ts";
import { routingNoise } from "../model/noise.ts";
import { parameterList } from "../model/parameters.ts";
import { float32, type HostTensors, int32, type Runtime } from "../runtime/executor.ts";
import { type Losses, lossNames, needsNoise } from "./graphs.ts";
import { stepScalars } from "./optimizer.ts";
import type { ReplicaOutputs } from "./replica.ts";
import { ReplicaGroup } from "./replicaGroup.ts";
import { type LayerRouting, layerExperts, layerRouting } from "./routingMetrics.ts";
import type { StateHolder, TrainingState } from "./trainingState.ts";

/** What one step measured. */
export interface StepResult {
  readonly losses: Losses<number>;
  /** Global norm of all gradients but the predictors', before clipping. */
  readonly gradientNorm: number;
  /** The same of the predictors; null where there are none. */
  readonly predictorGradientNorm: number | null;
  /** One entry for each routed layer with a learned router. */
  readonly routing: readonly LayerRouting[];
  /** One entry for each layer of experts, in a model that has them. */
  readonly experts?: readonly LayerExperts[];
}

/** What is a mean over the passes of a step. */
type Averages = Pick<StepResult, "losses" | "routing" | "experts">;

/** A loss or gradient that is no finite number. The state before the step is intact. */
export class DivergedError extends Error {
  override name = "DivergedError";
}

/** Runs training steps on a state. Knows nothing of files, schedules or evaluation. */
export class Trainer implements StateHolder {
  readonly #model: ModelConfig;
  readonly #train: TrainConfig;
  readonly #seed: number;
  readonly #replicas: ReplicaGroup;
  #state: TrainingState | undefined;
  /** What replicas keep up to date where it can be read. */
  #visible: HostTensors = {};

  private constructor(model: ModelConfig, train: TrainConfig, seed: number, replicas: ReplicaGroup) {
    this.#model = model;
    this.#train = train;
    this.#seed = seed;
    this.#replicas = replicas;
  }

  /** Starts the replicas and compiles their graphs. */
  static async create(model: ModelConfig, train: TrainConfig, seed: number, runtime: Runtime): Promise<Trainer> {
    const { batchSize, accumulate, optimizer } = train;
    return new Trainer(
      model,
      train,
      seed,
      await ReplicaGroup.create({ model, optimizer, accumulate, batchSize }, runtime),
    );
  }

  /**
   * Update number `step` (from 1) of `state` on `accumulate` batches.
   *
   * @throws DivergedError if the loss or a gradient is not finite; the state is then as before.
   */
  async step(state: TrainingState, batches: readonly Batch[], step: number, learningRate: number): Promise<StepResult> {
    await this.#hold(state);
    const passes = this.#passes(batches, step);
    const outputs = await this.#replicas.step(passes, stepScalars(step, learningRate, this.#train.optimizer));
    const { squares, finite } = outputs[0]!;
    const result = { ...this.#averages(outputs), ...this.#norms(squares.map(Math.sqrt)) };
    if (!finite) {
      throw new DivergedError(
        `train: losses and gradient norm must be finite, got loss ${result.losses.lm} and norm ${result.gradientNorm} ` +
          `at step ${step} (learning rate ${learningRate.toExponential(2)}); lower train.learningRate.peak`,
      );
    }
    this.#lend(state);
    return result;
  }

  /** Losses and gradients without the update: the first part of a step, for measurements. */
  async forwardBackward(state: TrainingState, batches: readonly Batch[], step: number): Promise<Averages> {
    await this.#hold(state);
    return this.#averages(await this.#replicas.gradients(this.#passes(batches, step)));
  }

  values(): Promise<HostTensors> {
    return this.#replicas.values();
  }

  moments(): Promise<HostTensors> {
    return this.#replicas.moments();
  }

  /** Ends the replicas; the state is brought up to date before. */
  async dispose(): Promise<void> {
    try {
      await this.#state?.sync();
    } finally {
      await this.#replicas.dispose();
    }
  }

  async #hold(state: TrainingState): Promise<void> {
    if (this.#state === state) return;
    await state.sync();
    this.#visible = await this.#replicas.load(state.tensors);
    this.#state = state;
    this.#lend(state);
  }

  #lend(state: TrainingState): void {
    state.lendTo(this, this.#visible);
  }

  #passes(batches: readonly Batch[], step: number): HostTensors[][] {
    return Array.from({ length: this.#replicas.count }, (_, replica) =>
      batches.map((batch, i) => this.#passFeeds(batch, step, i, replica)),
    );
  }

  /** The rows of a batch that a replica computes, number `micro` of the step's batches. */
  #passFeeds(batch: Batch, step: number, micro: number, replica: number): HostTensors {
    const { seqLen } = batch;
    const rows = batch.batchSize / this.#replicas.count;
    const first = replica * rows;
    const shape = [rows, seqLen];
    const part = (ids: Int32Array) => int32(shape, ids.slice(first * seqLen, (first + rows) * seqLen));
    const feeds = { tokens: part(batch.tokens), targets: part(batch.targets), documents: part(batch.documents) };
    if (!needsNoise(this.#model)) return feeds;
    const { nRouted } = derived(this.#model);
    const sequence = (step * this.#train.accumulate + micro) * batch.batchSize + first;
    const keys = Array.from({ length: rows }, (_, row) => ({ seed: this.#seed, sequence: sequence + row }));
    return { ...feeds, noise: float32([...shape, nRouted], routingNoise(keys, seqLen, nRouted)) };
  }

  #norms([main, predictor]: readonly number[]): Pick<StepResult, "gradientNorm" | "predictorGradientNorm"> {
    const hasPredictor = parameterList(this.#model).some(({ role }) => role === "predictor");
    return { gradientNorm: main!, predictorGradientNorm: hasPredictor ? predictor! : null };
  }

  #averages(outputs: readonly ReplicaOutputs[]): Averages {
    const passes = outputs.length * this.#train.accumulate;
    const average = (arrays: readonly (Float32Array | undefined)[]) =>
      Array.from(arrays[0] ?? [], (_, i) => arrays.reduce((total, array) => total + array![i]!, 0) / passes);
    const losses = average(outputs.map((output) => output.losses));
    const routing = average(outputs.map((output) => output.routing));
    const experts = average(outputs.map((output) => output.experts));
    const learned = this.#model.routing.kind === "learned";
    return {
      losses: Object.fromEntries(lossNames(this.#model).map((name, i) => [name, losses[i]!])) as StepResult["losses"],
      ...(this.#model.experts && { experts: layerExperts(experts, this.#model) }),
      routing: learned ? layerRouting(routing, routedLayers(this.#model), derived(this.#model), this.#model) : [],
    };
  }
}
