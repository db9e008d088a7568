import type { Tokenizer } from "../data/tokenizer/tokenizer.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import { expertLayers, layerKinds, type ModelConfig, routedLayers } from "../model/config.ts";
import { ExpertTotals, type LayerExperts } from "../model/expertHealth.ts";
import type { LayerKind } from "../model/layerKind.ts";
import type { Rule } from "../model/rules.ts";
import { type Executor, floats, type HostTensors, type Runtime } from "../runtime/executor.ts";
import { surprise } from "./surprise.ts";
import { windowsOf } from "./windowsOf.ts";

/** One layer of an inspected text; lists have an entry for each token. */
export interface InspectedLayer {
  readonly index: number;
  /** See `LayerKind`. */
  readonly kind: string;
  readonly routedThrough: readonly boolean[];
  /** r; missing where nothing is routed. */
  readonly routerWeights?: readonly number[];
  /** Whether r is among the C largest of its window; missing where nothing is routed. */
  readonly top?: readonly boolean[];
  /** Missing where the layer has no predictor. */
  readonly predictorLogits?: readonly number[];
  /** Numbers of the experts that computed each token; missing where there are none. */
  readonly experts?: readonly (readonly number[])[];
}

/** What a model did with a text under a rule, token by token, `<|endoftext|>` first. */
export interface Inspection {
  /** A `Rule`. */
  readonly rule: string;
  readonly tokens: readonly string[];
  /** −ln p of each token, given those before it in its window; null for the first, which nothing foretells. */
  readonly lossNats: readonly (number | null)[];
  /** Of the distribution that the token was foretold by, nats; null for the first. */
  readonly entropyNats: readonly (number | null)[];
  readonly layers: readonly InspectedLayer[];
  /** Where windows begin, as places in `tokens`. */
  readonly windows: readonly number[];
  /** How experts are used, one entry for each layer of them; missing in a model without. */
  readonly expertUse?: readonly LayerExperts[];
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
    const graph = causalGraph(model, rule, "logits", { predictorLogits: true });
    return new Inspector(model, tokenizer, rule, await runtime.compile(graph));
  }

  /**
   * A text, `<|endoftext|>` first. One longer than the context is read in windows that each start with `<|endoftext|>`, of which
   * only the first is shown.
   *
   * @param parameters `value.NAME` for each parameter
   */
  async inspect(text: string, parameters: HostTensors): Promise<Inspection> {
    const layers = layerKinds(this.#model).map((kind, index) => new LayerLists(kind, index));
    const experts = new ExpertTotals(this.#model);
    const [tokens, windows]: [string[], number[]] = [[], []];
    const [lossNats, entropyNats]: (number | null)[][] = [[], []];
    for (const window of windowsOf([...this.#tokenizer.encode(text)], this.#model.seqLen - 1)) {
      const ids = [this.#tokenizer.endOfText, ...window];
      const shown = ids.map((_, t) => t).slice(tokens.length === 0 ? 0 : 1);
      const outputs = await this.#executor.run({ ...this.#feeds(ids), ...parameters });
      windows.push(tokens.length);
      for (const t of shown) {
        const foretold = this.#surpriseAt(ids, t, floats(outputs, "logits"));
        tokens.push(this.#tokenizer.decode([ids[t]!], { specialTokens: true }));
        lossNats!.push(foretold?.lossNats ?? null);
        entropyNats!.push(foretold?.entropyNats ?? null);
      }
      for (const layer of layers) layer.add(outputs, shown, this.#model);
      experts.add(outputs, shown);
    }
    return {
      ...{ rule: this.#rule, tokens, lossNats: lossNats!, entropyNats: entropyNats!, windows },
      layers: layers.map((layer) => layer.result),
      ...(this.#model.experts && { expertUse: experts.result() }),
    };
  }

  dispose(): Promise<void> {
    return this.#executor.dispose();
  }

  #feeds(ids: readonly number[]): HostTensors {
    const batch = { tokens: Int32Array.from(ids), lengths: [ids.length], width: ids.length };
    return causalFeeds({ ...batch, noiseKeys: [{ seed: 0, sequence: 0 }] }, this.#model);
  }

  /** @param logits [T, V] */
  #surpriseAt(ids: readonly number[], t: number, logits: Float32Array) {
    const { vocabSize } = this.#model;
    return t === 0 ? null : surprise(logits.subarray((t - 1) * vocabSize, t * vocabSize), ids[t]!);
  }
}

/** What inspecting needs of a model. */
export interface InspectableModel {
  readonly model: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly parameters: HostTensors;
}

/** One text under one rule; see `Inspector`. */
export async function inspectText(
  saved: InspectableModel,
  text: string,
  rule: Rule,
  runtime: Runtime,
): Promise<Inspection> {
  const inspector = await Inspector.create(saved, rule, runtime);
  try {
    return await inspector.inspect(text, saved.parameters);
  } finally {
    await inspector.dispose();
  }
}

/** The lists of one layer, which grow window by window. */
class LayerLists {
  readonly #kind: LayerKind;
  readonly #index: number;
  readonly #through: boolean[] = [];
  readonly #weights: number[] = [];
  readonly #top: boolean[] = [];
  readonly #logits: number[] = [];
  readonly #experts: number[][] = [];

  constructor(kind: LayerKind, index: number) {
    this.#kind = kind;
    this.#index = index;
  }

  /** @param shown places of the window that belong to the text */
  add(outputs: HostTensors, shown: readonly number[], model: ModelConfig): void {
    const data = (name: string) => outputs[name]?.data as ArrayLike<number> | undefined;
    const routed = routedLayers(model).indexOf(this.#index);
    const through = data(`routedThrough.${routed}`);
    const push = (values: ArrayLike<number> | undefined, into: (value: number) => void) => {
      if (values !== undefined) for (const t of shown) into(values[t]!);
    };
    for (const t of shown) this.#through.push(through === undefined || through[t] === 1);
    push(data(`routerWeights.${routed}`), (r) => this.#weights.push(r));
    push(data(`top.${routed}`), (is) => this.#top.push(is === 1));
    push(data(`predictorLogits.${routed}`), (logit) => this.#logits.push(logit));
    const computed = data(`computed.${expertLayers(model).indexOf(this.#index)}`);
    if (computed !== undefined) for (const t of shown) this.#experts.push(expertsAt(computed, t, model.experts!.count));
  }

  get result(): InspectedLayer {
    return {
      ...{ index: this.#index, kind: this.#kind, routedThrough: this.#through },
      ...(this.#weights.length > 0 && { routerWeights: this.#weights, top: this.#top }),
      ...(this.#logits.length > 0 && { predictorLogits: this.#logits }),
      ...(this.#experts.length > 0 && { experts: this.#experts }),
    };
  }
}

/** Numbers of the experts that computed token t: the places where its row of a mask [T, E] holds. */
const expertsAt = (computed: ArrayLike<number>, t: number, count: number): number[] =>
  Array.from({ length: count }, (_, expert) => expert).filter((expert) => computed[t * count + expert] === 1);
