import type { TrainConfig } from "../config/runConfig.ts";
import type { Batch } from "../data/batch.ts";
import { derived, type ModelConfig, routedLayers } from "../model/config.ts";
import { routingNoise } from "../model/noise.ts";
import { parameterList } from "../model/parameters.ts";
import {
  type Executor,
  emptyTensor,
  float32,
  floats,
  type HostTensor,
  type HostTensors,
  int32,
  type Runtime,
} from "../runtime/executor.ts";
import { gradientGraph, LOSSES, needsNoise, trainStepGraph, updateGraph } from "./graphs.ts";
import { stepScalars } from "./optimizer.ts";
import { type LayerRouting, layerRouting } from "./routingMetrics.ts";
import { asTargets, type TrainingState } from "./trainingState.ts";

/** What one step measured. */
export interface StepResult {
  readonly losses: Readonly<Record<(typeof LOSSES)[number], number>>;
  /** Global norm of all gradients but the predictors', before clipping. */
  readonly gradientNorm: number;
  /** The same of the predictors; null where there are none. */
  readonly predictorGradientNorm: number | null;
  /** One entry for each routed layer with a learned router. */
  readonly routing: readonly LayerRouting[];
}

/** A loss or gradient that is no finite number. The state before the step is intact. */
export class DivergedError extends Error {
  override name = "DivergedError";
}

/** Either one graph for the whole step, or its two halves. */
type Executors = { readonly whole: Executor } | { readonly gradient: Executor; readonly update: Executor };

/** Runs training steps on a state. Knows nothing of files, schedules or evaluation. */
export class Trainer {
  readonly #model: ModelConfig;
  readonly #train: TrainConfig;
  readonly #seed: number;
  readonly #executors: Executors;
  #gradientSums: [HostTensors, HostTensors] | undefined;

  private constructor(model: ModelConfig, train: TrainConfig, seed: number, executors: Executors) {
    this.#model = model;
    this.#train = train;
    this.#seed = seed;
    this.#executors = executors;
  }

  /** Compiles the graphs: one whole step, or gradients and update apart where gradients accumulate. */
  static async create(model: ModelConfig, train: TrainConfig, seed: number, runtime: Runtime): Promise<Trainer> {
    const { batchSize, accumulate, optimizer } = train;
    if (accumulate === 1) {
      const whole = await runtime.compile(trainStepGraph(model, batchSize, optimizer));
      return new Trainer(model, train, seed, { whole });
    }
    const gradient = await runtime.compile(gradientGraph(model, batchSize));
    const update = await runtime.compile(updateGraph(model, optimizer));
    return new Trainer(model, train, seed, { gradient, update });
  }

  /**
   * Update number `step` (from 1) of `state` on `accumulate` batches.
   *
   * @throws DivergedError if the loss or a gradient is not finite; the state is then as before.
   */
  async step(state: TrainingState, batches: readonly Batch[], step: number, learningRate: number): Promise<StepResult> {
    const scalars = Object.fromEntries(
      Object.entries(stepScalars(step, learningRate, this.#train.optimizer)).map(([name, value]) => [
        name,
        float32([], Float32Array.of(value)),
      ]),
    );
    const executors = this.#executors;
    const outputs =
      "whole" in executors
        ? [
            await executors.whole.run(
              { ...this.#batchFeeds(batches[0]!, step, 0), ...scalars, ...state.feeds },
              state.targets,
            ),
          ]
        : await this.#accumulated(executors, state, batches, step, scalars);
    const result = this.#result(outputs);
    const finite = [...Object.values(result.losses), result.gradientNorm, result.predictorGradientNorm ?? 0];
    if (!finite.every(Number.isFinite)) {
      throw new DivergedError(
        `train: losses and gradient norm must be finite, got loss ${result.losses.lm} and norm ${result.gradientNorm} ` +
          `at step ${step} (learning rate ${learningRate.toExponential(2)}); lower train.learningRate.peak`,
      );
    }
    state.swap();
    return result;
  }

  async dispose(): Promise<void> {
    for (const executor of Object.values(this.#executors)) await executor.dispose();
  }

  /** Gradients of all batches, averaged, then the update. */
  async #accumulated(
    { gradient, update }: Extract<Executors, { gradient: Executor }>,
    state: TrainingState,
    batches: readonly Batch[],
    step: number,
    scalars: HostTensors,
  ): Promise<HostTensors[]> {
    this.#gradientSums ??= [this.#gradientBuffers(), this.#gradientBuffers()];
    let [sums, next] = this.#gradientSums;
    for (const { data } of Object.values(sums)) (data as Float32Array).fill(0);
    const scale = float32([], Float32Array.of(1 / batches.length));
    const outputs: HostTensors[] = [];
    for (const [i, batch] of batches.entries()) {
      const feeds = { ...this.#batchFeeds(batch, step, i), scale, ...state.feeds, ...sums };
      outputs.push(await gradient.run(feeds, asTargets(next)));
      [sums, next] = [next, sums];
    }
    outputs.push(await update.run({ ...scalars, ...state.feeds, ...sums }, state.targets));
    return outputs;
  }

  #gradientBuffers(): HostTensors {
    return Object.fromEntries(
      parameterList(this.#model).map(({ name, shape }) => [`gradient.${name}`, emptyTensor("float32", shape)]),
    );
  }

  #batchFeeds(
    { batchSize, seqLen, tokens, targets, documents }: Batch,
    step: number,
    micro: number,
  ): Record<string, HostTensor> {
    const shape = [batchSize, seqLen];
    const feeds = { tokens: int32(shape, tokens), targets: int32(shape, targets), documents: int32(shape, documents) };
    if (!needsNoise(this.#model)) return feeds;
    const { nRouted } = derived(this.#model);
    const first = (step * this.#train.accumulate + micro) * batchSize;
    const keys = Array.from({ length: batchSize }, (_, row) => ({ seed: this.#seed, sequence: first + row }));
    return { ...feeds, noise: float32([...shape, nRouted], routingNoise(keys, seqLen, nRouted)) };
  }

  #result(outputs: readonly HostTensors[]): StepResult {
    const average = (name: string) => {
      const arrays = outputs.filter((output) => output[name] !== undefined).map((output) => floats(output, name));
      return Array.from(
        arrays[0] ?? [],
        (_, i) => arrays.reduce((total, array) => total + array[i]!, 0) / arrays.length,
      );
    };
    const losses = average("losses");
    const learned = this.#model.routing.kind === "learned";
    const [predictorGradientNorm = null] = average("predictorGradientNorm");
    return {
      losses: Object.fromEntries(LOSSES.map((name, i) => [name, losses[i]!])) as StepResult["losses"],
      gradientNorm: average("gradientNorm")[0]!,
      predictorGradientNorm,
      routing: learned
        ? layerRouting(average("routing"), routedLayers(this.#model), derived(this.#model), this.#model)
        : [],
    };
  }
}
