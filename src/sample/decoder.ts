import { allowance } from "../model/budget.ts";
import { type CausalRule, causalThreshold } from "../model/causalRule.ts";
import { derived, layerKinds, type ModelConfig, routedLayers } from "../model/config.ts";
import { prefillGraph, readsNoise, stepGraph } from "../model/decodingGraphs.ts";
import { type NoiseKey, routingNoise } from "../model/noise.ts";
import { parameterTensors, partNames, separateInputs } from "../model/parameterInputs.ts";
import { parameterList } from "../model/parameters.ts";
import { constantParameters, type WeightFormat } from "../model/weights.ts";
import {
  type Executor,
  float32,
  floats,
  type HostTensor,
  type HostTensors,
  int32,
  type Runtime,
} from "../runtime/executor.ts";
import { LayerCache } from "./kvCache.ts";

export interface DecoderOptions {
  readonly rule: CausalRule;
  readonly runtime: Runtime;
  /** Of each routed layer; the rule's own, if not given. */
  readonly thresholds?: readonly number[];
  /** Most that a routed layer computes, as a share of the tokens of a sequence so far, rounded up; no limit, if not given. */
  readonly budget?: number;
  /** How the weights of products are stored; float32, if not given. */
  readonly weights?: WeightFormat;
}

/** What one pass gives. */
export interface StepOutput {
  /** [B, V], after the last token of each sequence. */
  readonly logits: Float32Array;
  /** For each routed layer, 0 or 1 for each sequence [B]; after `add`, for each token of the prompt [T]. */
  readonly routedThrough: readonly Uint8Array[];
}

/** Parameters as a graph of `separateInputs` is fed them: views of the same memory. */
function separateFeeds(model: ModelConfig, parameters: HostTensors): HostTensors {
  const feeds = { ...parameters };
  for (const spec of parameterList(model)) {
    const size = spec.shape.slice(1).reduce((a, b) => a * b, 1);
    for (const [i, name] of partNames(spec).entries()) {
      const data = floats(parameters, `value.${spec.name}`).subarray(i * size, (i + 1) * size);
      feeds[name] = float32(spec.shape.slice(1), data);
    }
  }
  return feeds;
}

/**
 * Decodes several sequences together, each with its own cache in each layer. Sequences come and go between steps; what one
 * gets does not depend on the others. Knows nothing of text or of how tokens are drawn.
 */
export class Decoder {
  readonly #model: ModelConfig;
  readonly #parameters: HostTensors;
  readonly #rule: CausalRule;
  readonly #thresholds: Float32Array;
  readonly #budget: number;
  /** Numbers of the routed layers. */
  readonly #routed: readonly number[];
  readonly #prefill: Executor;
  readonly #step: Executor;
  readonly #caches: readonly LayerCache[];
  /** Tokens of each sequence so far, and what its noise is drawn from. */
  readonly #sequences: { length: number; readonly noise: NoiseKey }[] = [];

  private constructor(
    model: ModelConfig,
    parameters: HostTensors,
    options: DecoderOptions,
    executors: { prefill: Executor; step: Executor },
  ) {
    const { nRouted, capacityRatio, nKvHead, headDim } = derived(model);
    const { rule, thresholds, budget = Number.POSITIVE_INFINITY } = options;
    if (!(budget >= 0))
      throw new RangeError(`decoder: the budget must be a share of the tokens, 0 or more, got ${budget}`);
    this.#model = model;
    this.#parameters = parameters;
    this.#rule = rule;
    this.#thresholds = Float32Array.from(
      { length: nRouted },
      (_, i) => thresholds?.[i] ?? causalThreshold(rule, capacityRatio),
    );
    this.#budget = budget;
    this.#routed = routedLayers(model);
    this.#prefill = executors.prefill;
    this.#step = executors.step;
    this.#caches = layerKinds(model).map(() => new LayerCache(nKvHead, headDim));
  }

  /** @param parameters `value.NAME` for each parameter; kept, not copied */
  static async create(model: ModelConfig, parameters: HostTensors, options: DecoderOptions): Promise<Decoder> {
    const { rule, runtime, weights = "float32", budget } = options;
    // Weights as constants are laid out once, as the products of few rows like them.
    const constants = constantParameters(model, (name) => floats(parameters, `value.${name}`), weights);
    // A prompt has rows enough to lay weights out each time: it is fed them, and they are not held a third time.
    const fed = separateInputs(weights === "float32" ? parameterList(model) : [], "float32");
    const prompt = { others: fed.inputs, ...(budget !== undefined && { budget }) };
    const [step, prefill] = await Promise.all([
      runtime.compile(stepGraph(model, rule, parameterTensors(model, constants))),
      runtime.compile(prefillGraph(model, rule, parameterTensors(model, { ...constants, ...fed.values }), prompt)),
    ]);
    return new Decoder(model, separateFeeds(model, parameters), options, { step, prefill });
  }

  /** Number of sequences. */
  get size(): number {
    return this.#sequences.length;
  }

  /** Allocated for keys and values. */
  get cacheBytes(): number {
    return this.#caches.reduce((total, { bytes }) => total + bytes, 0);
  }

  /** Tokens of sequence `i`, and those in its cache of each layer. */
  lengths(i: number): { readonly tokens: number; readonly caches: readonly number[] } {
    return { tokens: this.#sequences[i]!.length, caches: this.#caches.map(({ lengths }) => lengths[i]!) };
  }

  /**
   * Adds a sequence as the last one, and runs its prompt.
   *
   * @param prompt 1 to `seqLen` tokens, the first being `<|endoftext|>` at the start of a document
   * @param noise what random routing draws from
   */
  async add(prompt: ArrayLike<number>, noise: NoiseKey = { seed: 0, sequence: 0 }): Promise<StepOutput> {
    const { seqLen } = this.#model;
    if (prompt.length < 1 || prompt.length > seqLen) {
      throw new RangeError(`decoder: a prompt must have 1 to seqLen=${seqLen} tokens, got ${prompt.length}`);
    }
    const tokens = Int32Array.from(prompt);
    const outputs = await this.#prefill.run({
      ...this.#parameters,
      ...this.#decisionFeeds(this.#thresholds, () => routingNoise([noise], tokens.length, this.#nRouted)),
      tokens: int32([1, tokens.length], tokens),
    });
    for (const [layer, cache] of this.#caches.entries()) {
      cache.add(outputs[`newKeys.${layer}`]!, outputs[`newValues.${layer}`]!);
    }
    this.#sequences.push({ length: tokens.length, noise });
    return this.#result(outputs);
  }

  /** One more token for each sequence, in their order. */
  async step(tokens: Int32Array): Promise<StepOutput> {
    const size = this.#sequences.length;
    if (tokens.length !== size || size === 0) {
      throw new RangeError(`decoder: a step needs a token for each of ${size} sequences, got ${tokens.length}`);
    }
    const full = this.#sequences.findIndex(({ length }) => length >= this.#model.seqLen);
    if (full !== -1) {
      throw new RangeError(
        `decoder: sequence ${full} must have room in its context of ${this.#model.seqLen}, got none`,
      );
    }
    const outputs = await this.#step.run(this.#stepFeeds(tokens));
    const all = this.#sequences.map((_, i) => i);
    for (const [layer, cache] of this.#caches.entries()) {
      const through = outputs[`routedThrough.${layer}`]?.data as Uint8Array | undefined;
      const computed = through === undefined ? all : all.filter((i) => through[i] === 1);
      if (computed.length > 0) cache.append(computed, outputs[`newKeys.${layer}`]!, outputs[`newValues.${layer}`]!);
    }
    for (const sequence of this.#sequences) sequence.length++;
    return this.#result(outputs);
  }

  /** Ends sequence `i`; the last one takes its place. */
  remove(i: number): void {
    const last = this.#sequences.pop();
    if (last === undefined || i > this.#sequences.length) {
      throw new RangeError(`decoder: there must be a sequence ${i} to remove, got ${this.#sequences.length}`);
    }
    if (i < this.#sequences.length) this.#sequences[i] = last;
    for (const cache of this.#caches) cache.remove(i);
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#step.dispose(), this.#prefill.dispose()]);
  }

  get #nRouted(): number {
    return this.#thresholds.length;
  }

  #stepFeeds(tokens: Int32Array): HostTensors {
    const size = tokens.length;
    const int64 = (values: readonly number[]): HostTensor => ({
      ...{ dtype: "int64", shape: [values.length] },
      data: BigInt64Array.from(values, BigInt),
    });
    const feeds: Record<string, HostTensor> = {
      ...this.#decisionFeeds(this.#stepThresholds(), () => this.#stepNoise()),
      tokens: int32([size], tokens),
      positions: int64(this.#sequences.map(({ length }) => length)),
    };
    for (const [layer, cache] of this.#caches.entries()) {
      feeds[`keys.${layer}`] = cache.keys;
      feeds[`values.${layer}`] = cache.values;
    }
    for (const layer of this.#routed) feeds[`lengths.${layer}`] = int64(this.#caches[layer]!.lengths);
    return feeds;
  }

  /** The thresholds of each sequence, [B, R]; infinite where a layer has computed as many tokens as it may. */
  #stepThresholds(): Float32Array {
    const thresholds = new Float32Array(this.#sequences.length * this.#nRouted);
    for (const [i, { length }] of this.#sequences.entries()) {
      thresholds.set(this.#thresholds, i * this.#nRouted);
      if (this.#budget === Number.POSITIVE_INFINITY) continue;
      const allowed = allowance(this.#budget, length + 1);
      for (const [j, layer] of this.#routed.entries()) {
        if (this.#caches[layer]!.lengths[i]! >= allowed) thresholds[i * this.#nRouted + j] = Number.POSITIVE_INFINITY;
      }
    }
    return thresholds;
  }

  /** The noise of each sequence's next position, [B, R]. */
  #stepNoise(): Float32Array {
    const noise = new Float32Array(this.#sequences.length * this.#nRouted);
    for (const [i, { length, noise: key }] of this.#sequences.entries()) {
      noise.set(routingNoise([key], 1, this.#nRouted, length), i * this.#nRouted);
    }
    return noise;
  }

  /** Thresholds and noise, [rows, R] each; noise where it is read. */
  #decisionFeeds(thresholds: Float32Array, noise: () => Float32Array): HostTensors {
    const rows = (data: Float32Array) => float32([data.length / Math.max(1, this.#nRouted), this.#nRouted], data);
    const fed = { thresholds: rows(thresholds) };
    return readsNoise(this.#model, this.#rule) ? { ...fed, noise: rows(noise()) } : fed;
  }

  #result(outputs: HostTensors): StepOutput {
    const routedThrough = this.#routed.map((layer) => outputs[`routedThrough.${layer}`]!.data as Uint8Array);
    return { logits: floats(outputs, "logits"), routedThrough };
  }
}
