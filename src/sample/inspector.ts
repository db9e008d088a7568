import type { Tokenizer } from "../data/tokenizer/tokenizer.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import { expertLayers, type LayerKind, layerKinds, type ModelConfig, routedLayers } from "../model/config.ts";
import type { Rule } from "../model/rules.ts";
import { type Executor, floats, type HostTensors, type Runtime } from "../runtime/executor.ts";
import { expertsOf } from "./expertsOf.ts";
import { windowsOf } from "./windowsOf.ts";

/** One token of an inspected text. */
export interface InspectedToken {
  readonly id: number;
  readonly text: string;
  /** Of this token after those before it, nats; null for what nothing comes before. */
  readonly lossNats: number | null;
  /** Of what the model expected in its place, nats; null likewise. */
  readonly entropyNats: number | null;
}

/** One layer over an inspected text: a value for each token. */
export interface InspectedLayer {
  readonly index: number;
  readonly kind: LayerKind;
  readonly routedThrough: readonly boolean[];
  /** r; null where the layer is dense. */
  readonly routerWeights: readonly number[] | null;
  /** Null where there is no predictor. */
  readonly predictorLogits: readonly number[] | null;
  /** Numbers of the experts that computed each token; null where there are none. */
  readonly experts: readonly (readonly number[])[] | null;
}

/** A text as a model computes it under a rule; a `RoutingMap` with what lies behind it. */
export interface Inspection {
  readonly rule: Rule;
  readonly tokens: readonly InspectedToken[];
  readonly layers: readonly InspectedLayer[];
}

/** Looks into texts under one rule, with weights that may change from one to the next. */
export class Inspector {
  readonly #model: ModelConfig;
  readonly #tokenizer: Tokenizer;
  readonly #rule: Rule;
  readonly #executor: Executor;

  private constructor(model: ModelConfig, tokenizer: Tokenizer, rule: Rule, executor: Executor) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#rule = rule;
    this.#executor = executor;
  }

  static async create(
    { model, tokenizer }: { readonly model: ModelConfig; readonly tokenizer: Tokenizer },
    rule: Rule,
    runtime: Runtime,
  ): Promise<Inspector> {
    const graph = causalGraph(model, rule, "logits", { scores: true });
    return new Inspector(model, tokenizer, rule, await runtime.compile(graph));
  }

  /**
   * A text, `<|endoftext|>` first. One longer than the context is read in windows that each start with `<|endoftext|>`, of which
   * only the first is shown.
   *
   * @param parameters `value.NAME` for each parameter
   */
  async inspect(text: string, parameters: HostTensors): Promise<Inspection> {
    const tokens: InspectedToken[] = [];
    const layers = layerKinds(this.#model).map((kind, index) => new LayerValues(kind, index));
    for (const window of windowsOf([...this.#tokenizer.encode(text)], this.#model.seqLen - 1)) {
      const ids = [this.#tokenizer.endOfText, ...window];
      const outputs = await this.#executor.run({ ...this.#feeds(ids), ...parameters });
      const first = tokens.length === 0 ? 0 : 1;
      tokens.push(...this.#tokensOf(ids, floats(outputs, "logits")).slice(first));
      for (const layer of layers) {
        layer.add(outputs, routedLayers(this.#model).indexOf(layer.index), ids.length, first);
        layer.addExperts(outputs, this.#model, first);
      }
    }
    return { rule: this.#rule, tokens, layers: layers.map((layer) => layer.result) };
  }

  dispose(): Promise<void> {
    return this.#executor.dispose();
  }

  #feeds(ids: readonly number[]): HostTensors {
    const batch = { tokens: Int32Array.from(ids), lengths: [ids.length], width: ids.length };
    return causalFeeds({ ...batch, noiseKeys: [{ seed: 0, sequence: 0 }] }, this.#model);
  }

  /** @param logits [T, V] */
  #tokensOf(ids: readonly number[], logits: Float32Array): InspectedToken[] {
    const { vocabSize } = this.#model;
    return ids.map((id, t) => {
      const text = this.#tokenizer.decode([id], { specialTokens: true });
      if (t === 0) return { id, text, lossNats: null, entropyNats: null };
      const before = logits.subarray((t - 1) * vocabSize, t * vocabSize);
      return { id, text, ...surprise(before, id) };
    });
  }
}

/** Loss of a token under logits [V], and their entropy: −log p(id) and −Σ p log p. */
function surprise(logits: Float32Array, id: number): { readonly lossNats: number; readonly entropyNats: number } {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  let [total, weighted] = [0, 0];
  for (const logit of logits) {
    const weight = Math.exp(logit - highest);
    total += weight;
    weighted += weight * (logit - highest);
  }
  const logTotal = Math.log(total);
  return { lossNats: logTotal - (logits[id]! - highest), entropyNats: logTotal - weighted / total };
}

/** The values of one layer, window by window. */
class LayerValues {
  readonly index: number;
  readonly #kind: LayerKind;
  readonly #through: boolean[] = [];
  readonly #weights: number[] = [];
  readonly #logits: number[] = [];
  readonly #experts: (readonly number[])[] = [];

  constructor(kind: LayerKind, index: number) {
    this.#kind = kind;
    this.index = index;
  }

  /** @param routed place among the routed layers; -1 for a dense one */
  add(outputs: HostTensors, routed: number, tokens: number, first: number): void {
    const through = outputs[`routedThrough.${routed}`]?.data as Uint8Array | undefined;
    for (let t = first; t < tokens; t++) this.#through.push(through === undefined || through[t] === 1);
    if (routed === -1) return;
    this.#weights.push(...floats(outputs, `routerWeights.${routed}`).subarray(first));
    const logits = outputs[`predictorLogits.${routed}`]?.data as Float32Array | undefined;
    if (logits !== undefined) this.#logits.push(...logits.subarray(first));
  }

  addExperts(outputs: HostTensors, model: ModelConfig, first: number): void {
    const place = expertLayers(model).indexOf(this.index);
    if (place === -1) return;
    const computed = outputs[`computed.${place}`]!.data as Uint8Array;
    this.#experts.push(...expertsOf(computed, model.experts!.count).slice(first));
  }

  get result(): InspectedLayer {
    const filled = <T>(values: readonly T[]) => (values.length > 0 ? values : null);
    return {
      index: this.index,
      kind: this.#kind,
      routedThrough: this.#through,
      routerWeights: filled(this.#weights),
      predictorLogits: filled(this.#logits),
      experts: filled(this.#experts),
    };
  }
}
