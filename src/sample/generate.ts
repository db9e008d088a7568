import type { Rule } from "../model/rules.ts";
import { hashText, uniform } from "../random.ts";
import type { SavedModel } from "../run/savedModel.ts";
import type { Runtime } from "../runtime/executor.ts";
import { CausalPass, chooseRule } from "./causalPass.ts";
import { type SamplerOptions, sampleToken } from "./sampler.ts";

export interface GenerateOptions extends Partial<SamplerOptions> {
  /** Most tokens to generate; fewer if the model ends the document. 200 if not given. */
  readonly tokens?: number;
  readonly seed?: number;
  /** The model's own causal rule, if not given. */
  readonly rule?: Rule;
  readonly signal?: AbortSignal;
}

/** One generated token. */
export interface GeneratedToken {
  readonly id: number;
  /** What it adds to the text. A character of several tokens comes with the last of them. */
  readonly text: string;
  /** Of the model's distribution at temperature 1, nats. */
  readonly logProbability: number;
  /** Routed layers that computed the token before it, from which it was predicted. */
  readonly routedLayers: readonly number[];
}

const STREAM = hashText("sampling");

/**
 * Continues a prompt, token by token, under a causal rule from the prompt's first token on. Past the trained context the
 * model sees the last `seqLen` tokens only. Aborted, it ends after the token under way.
 *
 * Each token costs a full pass over what is seen: there is no cache yet.
 */
export async function* generate(
  saved: SavedModel,
  prompt: string,
  runtime: Runtime,
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken, void, undefined> {
  const { tokens = 200, seed = 0, temperature = 0.8, topK = 0, topP = 1 } = options;
  const { tokenizer, model } = saved;
  const pass = await CausalPass.create(saved, chooseRule(saved, options.rule), runtime, seed);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const sequence = [tokenizer.endOfText, ...tokenizer.encode(prompt)];
  try {
    for (let i = 0; i < tokens && options.signal?.aborted !== true; i++) {
      const { lastLogits, routedThrough } = await pass.run(sequence.slice(-model.seqLen));
      const { id, logProbability } = sampleToken(lastLogits, { temperature, topK, topP }, uniform(STREAM, seed, i));
      if (id === tokenizer.endOfText) break;
      sequence.push(id);
      yield {
        id,
        text: decoder.decode(tokenizer.tokenBytes(id), { stream: true }),
        logProbability,
        routedLayers: routedThrough.filter((routed) => routed.tokens.at(-1) === 1).map(({ layer }) => layer),
      };
    }
  } finally {
    await pass.dispose();
  }
}
