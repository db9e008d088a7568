import type { EvaluationBatch } from "../data/batch.ts";
import { type EvaluationWindow, evaluationBatches } from "../data/evaluationWindows.ts";
import type { Tensor } from "../graph/index.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import type { CausalRule } from "../model/causalRule.ts";
import { expertLayers, type ModelConfig, routedLayers } from "../model/config.ts";
import { ExpertTotals, type LayerExperts } from "../model/expertHealth.ts";
import type { NoiseKey } from "../model/noise.ts";
import { applicableRules, EVALUATION_RULES, type EvaluationRule, graphRule } from "../model/rules.ts";
import { type Executor, floats, type HostTensors, int32, type Runtime } from "../runtime/executor.ts";
import { type DecisionQuality, decisionQuality } from "./routingMetrics.ts";

/** The decisions of one rule, of all routed layers and all experts that choose together; none of a dense model. */
export interface RuleRouting extends DecisionQuality {
  /** Share of decisions equal to those of a pass that used top-k in every block; null if that was not run. */
  readonly agreement: number | null;
}

export interface RuleResult extends Partial<RuleRouting> {
  /** Mean nats per token. */
  readonly lossNats: number;
  readonly bitsPerByte: number;
  /** Share of the tokens that each layer computed; 1 for a dense layer. */
  readonly capacityByLayer: readonly number[];
  /** One entry for each layer of experts, in a model that has them. */
  readonly experts?: readonly LayerExperts[];
}

export interface EvaluationResult {
  /** Tokens scored. */
  readonly tokens: number;
  /** UTF-8 bytes of the scored text. */
  readonly bytes: number;
  /** null: the model was not trained for the rule, or it does not apply. */
  readonly rules: Readonly<Record<EvaluationRule, RuleResult | null>>;
}

/** One scored token under all rules. */
export interface ScoredToken {
  readonly id: number;
  readonly lossNats: Readonly<Partial<Record<EvaluationRule, number>>>;
  /** Layers that computed the token at whose position it is the target, routed layers only. */
  readonly routed: Readonly<Partial<Record<EvaluationRule, readonly number[]>>>;
}

export interface EvaluateOptions {
  readonly batchSize?: number;
  /** All that apply, if not given; those that don't are null in the result. */
  readonly rules?: readonly EvaluationRule[];
  readonly seed?: number;
  readonly onProgress?: (tokens: number) => void;
  /** Called for every scored token, in the order of the text. */
  readonly onToken?: (token: ScoredToken) => void;
}

export interface EvaluatorOptions {
  /** Parameters that are part of the graphs, quantised ones for instance; the others are fed. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Of each routed layer, for the causal rules that have calibrated ones. */
  readonly thresholds?: Readonly<Partial<Record<CausalRule, readonly number[]>>>;
  /** Most that a routed layer computes under a causal rule, as a share of the tokens so far. */
  readonly budget?: number;
}

/** Scores texts under rules. Compiled graphs stay for the next evaluation; `dispose` frees them. */
export class Evaluator {
  readonly #model: ModelConfig;
  readonly #tokenBytes: Int32Array;
  readonly #runtime: Runtime;
  readonly #options: EvaluatorOptions;
  readonly #executors = new Map<EvaluationRule, Executor>();

  /** @param tokenBytes UTF-8 bytes of each token, [V] */
  constructor(model: ModelConfig, tokenBytes: Int32Array, runtime: Runtime, options: EvaluatorOptions = {}) {
    this.#model = model;
    this.#tokenBytes = tokenBytes;
    this.#runtime = runtime;
    this.#options = options;
  }

  /**
   * Teacher-forced loss of windows under each rule.
   *
   * @param parameters `value.NAME` for each parameter that is no constant
   */
  async evaluate(
    windows: Iterable<EvaluationWindow>,
    parameters: HostTensors,
    options: EvaluateOptions = {},
  ): Promise<EvaluationResult> {
    const { batchSize = 8, seed = 0 } = options;
    const calibrated = Object.keys(this.#options.thresholds ?? {});
    const known = [...applicableRules(this.#model), ...calibrated];
    const rules = EVALUATION_RULES.filter((rule) => known.includes(rule) && (options.rules?.includes(rule) ?? true));
    const totals = new Map(rules.map((rule) => [rule, new RuleTotals(this.#model)]));
    let [tokens, bytes, sequence] = [0, 0, 0];
    for (const batch of evaluationBatches(windows, { batchSize, seqLen: this.#model.seqLen })) {
      const noiseKeys = Array.from({ length: batchSize }, (_, row) => ({ seed, sequence: sequence + row }));
      const outputs = await this.#scoreBatch(batch, parameters, rules, noiseKeys);
      for (const [rule, output] of outputs) totals.get(rule)!.add(batch, output, outputs.get("topk"));
      for (const target of scoredTargets(batch)) {
        bytes += this.#tokenBytes[target]!;
        tokens++;
      }
      sequence += batchSize;
      if (options.onToken) emitTokens(batch, outputs, this.#model, options.onToken);
      options.onProgress?.(tokens);
    }
    if (tokens === 0) throw new Error("evaluate: the text must have at least one token, got an empty text");
    const result = (rule: EvaluationRule) => totals.get(rule)?.result(tokens, bytes) ?? null;
    return {
      tokens,
      bytes,
      rules: Object.fromEntries(EVALUATION_RULES.map((rule) => [rule, result(rule)])) as EvaluationResult["rules"],
    };
  }

  async dispose(): Promise<void> {
    for (const executor of this.#executors.values()) await executor.dispose();
    this.#executors.clear();
  }

  async #scoreBatch(
    batch: EvaluationBatch,
    parameters: HostTensors,
    rules: readonly EvaluationRule[],
    noiseKeys: readonly NoiseKey[],
  ): Promise<Map<EvaluationRule, HostTensors>> {
    const { tokens, targets, seqLen: width, batchSize } = batch;
    const feeds = {
      ...causalFeeds({ tokens, lengths: [...batch.lengths], width, noiseKeys }, this.#model),
      targets: int32([batchSize, width], targets),
      ...parameters,
    };
    const outputs = new Map<EvaluationRule, HostTensors>();
    for (const rule of rules) outputs.set(rule, await (await this.#executor(rule)).run(feeds));
    return outputs;
  }

  async #executor(rule: EvaluationRule): Promise<Executor> {
    const known = this.#executors.get(rule);
    if (known !== undefined) return known;
    const ofGraph = graphRule(rule);
    const { thresholds, ...others } = this.#options;
    const calibrated = ofGraph === "topk" ? undefined : thresholds?.[ofGraph];
    const options = { ...others, ...(calibrated && { thresholds: calibrated }) };
    const executor = await this.#runtime.compile(causalGraph(this.#model, ofGraph, "nll", options));
    this.#executors.set(rule, executor);
    return executor;
  }
}

/** Places of a padded batch that are scored, row by row. */
function* scoredPlaces({ lengths, seqLen }: EvaluationBatch): Generator<number> {
  for (const [row, length] of lengths.entries()) {
    for (let t = 0; t < length; t++) yield row * seqLen + t;
  }
}

function* scoredTargets(batch: EvaluationBatch): Generator<number> {
  for (const place of scoredPlaces(batch)) yield batch.targets[place]!;
}

/** Sums over batches for one rule. */
class RuleTotals {
  readonly #model: ModelConfig;
  readonly #routed: readonly number[];
  readonly #through: number[];
  readonly #experts: ExpertTotals;
  #nats = 0;
  #decisions = { all: 0, chosen: 0, top: 0, both: 0, agreeing: 0 };
  #hasReference = false;

  constructor(model: ModelConfig) {
    this.#model = model;
    this.#routed = routedLayers(model);
    this.#through = this.#routed.map(() => 0);
    this.#experts = new ExpertTotals(model);
  }

  /** @param topk outputs of the pass that used top-k in every block, if there was one */
  add(batch: EvaluationBatch, outputs: HostTensors, topk: HostTensors | undefined): void {
    const nll = floats(outputs, "nll");
    this.#hasReference = topk !== undefined;
    const places = [...scoredPlaces(batch)];
    for (const place of places) this.#nats += nll[place]!;
    this.#experts.add(outputs, places);
    const data = (tensors: HostTensors | undefined, name: string) => tensors?.[name]?.data as Uint8Array | undefined;
    for (let i = 0; i < this.#routed.length; i++) {
      const through = data(outputs, `routedThrough.${i}`)!;
      for (const place of places) this.#through[i]! += through[place]!;
      this.#addDecisions(places, through, data(outputs, `top.${i}`)!, data(topk, `routedThrough.${i}`));
    }
    if (this.#model.experts?.choice !== "expert") return;
    const { count } = this.#model.experts;
    for (const [i, layer] of expertLayers(this.#model).entries()) {
      const computed = data(outputs, `computed.${i}`)!;
      // Experts decide on the tokens that enter their layer: all of them, where it is not routed.
      const routed = this.#routed.indexOf(layer);
      const through = routed < 0 ? undefined : data(outputs, `routedThrough.${routed}`);
      const cells = places
        .filter((place) => through?.[place] !== 0)
        .flatMap((place) => Array.from({ length: count }, (_, expert) => place * count + expert));
      this.#addDecisions(cells, computed, data(outputs, `topExperts.${i}`)!, data(topk, `computed.${i}`));
    }
  }

  /** Yes-or-no decisions, those of top-k in the same pass, and those of the pass that used top-k everywhere. */
  #addDecisions(
    cells: readonly number[],
    chosen: Uint8Array,
    top: Uint8Array,
    reference: Uint8Array | undefined,
  ): void {
    const sums = this.#decisions;
    sums.all += cells.length;
    for (const cell of cells) {
      sums.chosen += chosen[cell]!;
      sums.top += top[cell]!;
      sums.both += chosen[cell]! & top[cell]!;
      if (chosen[cell] === reference?.[cell]) sums.agreeing++;
    }
  }

  result(tokens: number, bytes: number): RuleResult {
    const capacityByLayer = Array<number>(this.#model.nLayer).fill(1);
    for (const [i, layer] of this.#routed.entries()) capacityByLayer[layer] = this.#through[i]! / tokens;
    return {
      lossNats: this.#nats / tokens,
      bitsPerByte: this.#nats / (Math.LN2 * bytes),
      capacityByLayer,
      ...(this.#decisions.all > 0 ? this.#routing() : {}),
      ...(this.#model.experts && { experts: this.#experts.result() }),
    };
  }

  #routing(): RuleRouting {
    const { all, chosen, top, both, agreeing } = this.#decisions;
    return { ...decisionQuality(chosen, top, both, all), agreement: this.#hasReference ? agreeing / all : null };
  }
}

function emitTokens(
  batch: EvaluationBatch,
  outputs: ReadonlyMap<EvaluationRule, HostTensors>,
  model: ModelConfig,
  onToken: (token: ScoredToken) => void,
): void {
  const layers = routedLayers(model);
  for (const place of scoredPlaces(batch)) {
    const lossNats: Partial<Record<EvaluationRule, number>> = {};
    const routed: Partial<Record<EvaluationRule, number[]>> = {};
    for (const [rule, output] of outputs) {
      lossNats[rule] = floats(output, "nll")[place]!;
      routed[rule] = layers.filter((_, i) => output[`routedThrough.${i}`]!.data[place] === 1);
    }
    onToken({ id: batch.targets[place]!, lossNats, routed });
  }
}
