/** How the next token is drawn from its distribution. */
export interface SamplerOptions {
  /** Divides the logits; 0 takes the most likely token. */
  readonly temperature: number;
  /** Only the k most likely tokens; 0 for all. */
  readonly topK: number;
  /** Only the most likely tokens whose probabilities add up to p, at least one; 1 for all. */
  readonly topP: number;
}

/**
 * A token drawn from logits [V]. The cuts are applied in the order top-k, top-p; ties go to the lower id.
 *
 * @param uniform in (0, 1): the same number draws the same token
 * @returns the token, and its log probability in the distribution before the cuts, at temperature 1
 */
export function sampleToken(
  logits: Float32Array,
  options: SamplerOptions,
  uniform: number,
): { readonly id: number; readonly logProbability: number } {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const id = options.temperature === 0 ? order[0]! : draw(logits, order, options, uniform);
  return { id, logProbability: logits[id]! - logSumExp(logits) };
}

function draw(logits: Float32Array, order: readonly number[], options: SamplerOptions, uniform: number): number {
  const { temperature, topK, topP } = options;
  const kept = topK > 0 ? order.slice(0, topK) : order;
  const largest = logits[kept[0]!]!;
  const weights = kept.map((id) => Math.exp((logits[id]! - largest) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  let [count, mass] = [0, 0];
  while (count < weights.length && (count === 0 || mass < topP * total)) mass += weights[count++]!;
  let rest = uniform * mass;
  for (let i = 0; i < count; i++) {
    rest -= weights[i]!;
    if (rest < 0) return kept[i]!;
  }
  return kept[count - 1]!;
}

function logSumExp(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  return largest + Math.log(total);
}
