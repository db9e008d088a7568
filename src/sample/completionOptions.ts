import { checkSampler, SAMPLER_DEFAULTS, type SamplerOptions } from "./sampler.ts";

/** How a text is continued. */
export interface CompletionOptions extends Partial<SamplerOptions> {
  /** Most tokens to generate; fewer if the model ends the document or a stop string comes. 200 if not given. */
  readonly tokens?: number;
  /** The same seed gives the same text, whatever else is generated beside it. 0 if not given. */
  readonly seed?: number;
  /** Strings that end the text, and are no part of it. */
  readonly stop?: readonly string[];
  /** For each token, so many of the likeliest in its place are told. 0 if not given. */
  readonly alternatives?: number;
}

/**
 * Options with what is not given filled in.
 *
 * @throws RangeError where one is out of its range
 */
export function resolveCompletion(options: CompletionOptions) {
  const { tokens = 200, seed = 0, stop = [], alternatives = 0 } = options;
  const { temperature, topK, topP, minP, repetitionPenalty } = { ...SAMPLER_DEFAULTS, ...options };
  const sampler: SamplerOptions = { temperature, topK, topP, minP, repetitionPenalty };
  checkSampler(sampler);
  for (const [name, value] of Object.entries({ tokens, seed, alternatives })) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new RangeError(`generate: ${name} must be an integer of at least 0, got ${value}`);
  }
  if (stop.includes("")) throw new RangeError('generate: a stop string must have a character, got ""; leave it out');
  return { tokens, seed, stop, alternatives, sampler };
}
