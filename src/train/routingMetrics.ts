import { expertLayers, type ModelConfig } from "../model/config.ts";
import type { LayerExperts } from "../model/expertHealth.ts";
import { routesOf } from "../model/expertsConfig.ts";
import { ROUTING_STATISTICS } from "./objective.ts";

/** How well yes-or-no decisions meet the top-k choice. Ratios without a denominator are 0. */
export interface DecisionQuality {
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/**
 * Quality from shares (or counts) of tokens: `chosen` by the rule, `top` by top-k, `both`, and `all`.
 */
export function decisionQuality(chosen: number, top: number, both: number, all: number): DecisionQuality {
  const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  const [precision, recall] = [ratio(both, chosen), ratio(both, top)];
  return {
    accuracy: ratio(all - chosen - top + 2 * both, all),
    precision,
    recall,
    f1: ratio(2 * precision * recall, precision + recall),
  };
}

/** What one causal rule would have decided on a training batch. */
export interface RuleMetrics extends DecisionQuality {
  /** Share of the tokens that the rule routes through. */
  readonly capacity: number;
}

/** One routed layer in one training step. */
export interface LayerRouting {
  readonly layer: number;
  readonly routerMean: number;
  readonly routerStd: number;
  /** r > 0 against the top-k choice; null where the model trains no auxiliary loss. */
  readonly auxiliary: RuleMetrics | null;
  readonly predictor: RuleMetrics | null;
}

/** How experts were used in one training step, from the graph's `expertStatistics`, row-major [layers, E + O + 2]. */
export function layerExperts(statistics: readonly number[], config: ModelConfig): LayerExperts[] {
  const experts = config.experts!;
  const routes = routesOf(experts);
  return expertLayers(config).map((layer, i) => {
    const row = statistics.slice(i * (routes + 2), (i + 1) * (routes + 2));
    const noOps = row.slice(experts.count, routes).reduce((a, b) => a + b, 0);
    return { layer, load: row.slice(0, experts.count), noOps, entropy: row[routes]!, dropped: row[routes + 1]! };
  });
}

/** Layers' metrics from the graph's means, row-major [routed layers, statistics]. */
export function layerRouting(
  means: readonly number[],
  layers: readonly number[],
  { capacity }: { readonly capacity: number },
  { seqLen, routing }: ModelConfig,
): LayerRouting[] {
  const top = capacity / seqLen;
  const rule = (chosen: number, both: number): RuleMetrics => ({
    capacity: chosen,
    ...decisionQuality(chosen, top, both, 1),
  });
  const learned = routing.kind === "learned" ? routing : undefined;
  return layers.map((layer, i) => {
    const row = means.slice(i * ROUTING_STATISTICS.length, (i + 1) * ROUTING_STATISTICS.length);
    const at = (name: (typeof ROUTING_STATISTICS)[number]) => row[ROUTING_STATISTICS.indexOf(name)]!;
    return {
      layer,
      routerMean: at("r"),
      routerStd: Math.sqrt(Math.max(0, at("rSquared") - at("r") ** 2)),
      auxiliary: learned?.auxiliary ? rule(at("auxiliaryPositive"), at("auxiliaryPositiveAndRouted")) : null,
      predictor: learned?.predictor ? rule(at("predictorPositive"), at("predictorPositiveAndRouted")) : null,
    };
  });
}
