import type { RunConfig } from "../config/runConfig.ts";
import { layerKinds, type ModelConfig } from "../model/config.ts";
import { applicableRules, causalRule, graphRule } from "../model/rules.ts";
import type { ModelSummary } from "./api.ts";

/** A model as lists and pages show it. */
export function modelSummary(model: ModelConfig | RunConfig["model"]): ModelSummary {
  const { nLayer, dModel, seqLen, routing, vocabSize = null } = model;
  const config = model as ModelConfig;
  return {
    ...{ nLayer, dModel, seqLen, vocabSize },
    family: familyOf(config),
    layers: layerKinds(config),
    capacityRatio: routing.kind === "none" ? null : routing.capacityRatio,
    gate: routing.kind === "none" ? null : routing.gate,
    rule: causalRule(config),
    rules: [...new Set(applicableRules(config).map(graphRule))],
  };
}

/** The kind of a model in a word, as presets call it. */
function familyOf({ routing, experts }: ModelConfig): string {
  if (experts === undefined) return { none: "dense", learned: "mod", random: "random" }[routing.kind];
  if (routing.kind !== "none") return "mode";
  return experts.choice === "token" && experts.noOps > 0 ? "mode-integrated" : "moe";
}
