import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import { routedLayers } from "../model/config.ts";
import type { Rule } from "../model/rules.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { type Executor, floats, type Runtime } from "../runtime/executor.ts";

/** What one pass over a sequence gives. */
export interface PassResult {
  /** Logits after the last token, [V]. */
  readonly lastLogits: Float32Array;
  /** For each routed layer: which tokens it computed, [T]. */
  readonly routedThrough: readonly { readonly layer: number; readonly tokens: Uint8Array }[];
}

/** Full forward passes under one rule, which may be top-k, without a cache. */
export class CausalPass {
  readonly #saved: SavedModel;
  readonly #executor: Executor;
  readonly #seed: number;

  private constructor(saved: SavedModel, executor: Executor, seed: number) {
    this.#saved = saved;
    this.#executor = executor;
    this.#seed = seed;
  }

  /** @param seed of the draws of random routing */
  static async create(saved: SavedModel, rule: Rule, runtime: Runtime, seed = 0): Promise<CausalPass> {
    return new CausalPass(saved, await runtime.compile(causalGraph(saved.model, rule, "logits")), seed);
  }

  /** @param tokens 1 to `seqLen` ids, the first being `<|endoftext|>` at the start of a document */
  async run(tokens: ArrayLike<number>): Promise<PassResult> {
    const { model, parameters } = this.#saved;
    const width = tokens.length;
    const noiseKeys = [{ seed: this.#seed, sequence: 0 }];
    const feeds = causalFeeds({ tokens: Int32Array.from(tokens), lengths: [width], width, noiseKeys }, model);
    const outputs = await this.#executor.run({ ...feeds, ...parameters });
    return {
      lastLogits: floats(outputs, "logits").slice(-model.vocabSize),
      routedThrough: routedLayers(model).map((layer, i) => ({
        layer,
        tokens: outputs[`routedThrough.${i}`]!.data as Uint8Array,
      })),
    };
  }

  dispose(): Promise<void> {
    return this.#executor.dispose();
  }
}
