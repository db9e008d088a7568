import type { RunResult } from "./runResult.ts";
import { mean } from "./statistics.ts";

/** What was computed of what may be skipped. */
export interface RealisedCapacity {
  /** Under the rule of the headline loss: free to be more than the forward FLOPs count. */
  readonly headline: number;
  /** Under top-k, as in training and in the count. */
  readonly topk: number;
}

/** Experts that computed a token, of those that entered their layers: means over layers of experts, under either rule. */
export function realisedExperts({ rule, rules }: RunResult): RealisedCapacity | null {
  const [headline, topk] = [rules[rule]?.experts, rules.topk?.experts];
  if (!headline || !topk) return null;
  const over = (layers: typeof topk) => mean(layers.map(({ perToken }) => perToken));
  return { headline: over(headline), topk: over(topk) };
}

/** Shares of the tokens that routed blocks compute, means over these blocks; null for a model without any. */
export function realisedCapacity({ rule, rules }: RunResult): RealisedCapacity | null {
  const [headline, topk] = [rules[rule]?.capacityByLayer, rules.topk?.capacityByLayer];
  if (headline === undefined || topk === undefined) return null;
  const routed = topk.flatMap((share, layer) => (share < 1 ? [layer] : []));
  if (routed.length === 0) return null;
  const over = (shares: readonly number[]) => mean(routed.map((layer) => shares[layer]!));
  return { headline: over(headline), topk: over(topk) };
}
