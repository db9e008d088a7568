import { derived, layerKinds, type ModelConfig } from "../model/config.ts";
import { type ExpertsConfig, routesOf, slotsOf } from "../model/expertsConfig.ts";
import { isRouted } from "../model/layerKind.ts";
import { type ParameterSpec, parameterList } from "../model/parameters.ts";

/**
 * Parameters that a token uses, in the mean over tokens at nominal capacities and evenly loaded experts: all of a dense layer, the
 * capacity's share of a routed block, of experts those that a token takes; of the embedding one row. Routers and predictors see
 * every token of their layer.
 */
export const activeParameters = (config: ModelConfig): number =>
  Math.round(parameterList(config).reduce((total, spec) => total + spec.size * usedShare(spec, config), 0));

function usedShare({ name, role }: ParameterSpec, config: ModelConfig): number {
  if (role === "embedding" && !config.tiedHead) return 1 / config.vocabSize;
  const [, layer, part] = /^layers\.(\d+)\.(.*)$/.exec(name) ?? [];
  if (layer === undefined) return 1;
  const decides = part === "router" || part!.startsWith("predictor.");
  const routed = isRouted(layerKinds(config)[Number(layer)]!);
  const share = routed && !decides ? derived(config).capacityRatio : 1;
  if (!/^experts\.(up|gate|down)$/.test(part!)) return share;
  return share * expertShare(config.experts!, routed ? derived(config).capacity : config.seqLen);
}

/** Of a layer's experts those that compute a token, as a share of all. `tokens`: of a sequence, in the layer. */
const expertShare = (experts: ExpertsConfig, tokens: number): number =>
  experts.choice === "token" ? experts.perToken / routesOf(experts) : slotsOf(experts, tokens) / tokens;
