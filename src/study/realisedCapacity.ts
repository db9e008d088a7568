import type { RunResult } from "./runResult.ts";
import { mean } from "./statistics.ts";

/** Shares of the tokens that routed blocks compute, means over these blocks. */
export interface RealisedCapacity {
  /** Under the rule of the headline loss: free to be more than the forward FLOPs count. */
  readonly headline: number;
  /** Under top-k, as in training and in the count. */
  readonly topk: number;
}

/** null for a model without routed blocks. */
export function realisedCapacity({ rule, rules }: RunResult): RealisedCapacity | null {
  const [headline, topk] = [rules[rule]?.capacityByLayer, rules.topk?.capacityByLayer];
  if (headline === undefined || topk === undefined) return null;
  const routed = topk.flatMap((share, layer) => (share < 1 ? [layer] : []));
  if (routed.length === 0) return null;
  const over = (shares: readonly number[]) => mean(routed.map((layer) => shares[layer]!));
  return { headline: over(headline), topk: over(topk) };
}
