import { derived, isRouted, layerKinds, type ModelConfig } from "../model/config.ts";
import { routesOf } from "../model/expertsConfig.ts";
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
  const share = isRouted(layerKinds(config)[Number(layer)]!) && !decides ? derived(config).capacityRatio : 1;
  return share * (/^experts\.(up|gate|down)$/.test(part!) ? expertShare(config) : 1);
}

/** Of a layer's experts those that compute a token, as a share of all. */
function expertShare({ experts }: ModelConfig): number {
  if (experts === undefined) throw new Error("expertShare: the model must have experts, got none");
  return experts.choice === "token" ? experts.perToken / routesOf(experts) : experts.capacityFactor / experts.count;
}
