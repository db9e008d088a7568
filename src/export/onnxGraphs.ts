import type { GraphDefinition } from "../graph/index.ts";
import type { CausalRule } from "../model/causalRule.ts";
import type { ModelConfig } from "../model/config.ts";
import { prefillGraph, stepGraph } from "../model/decodingGraphs.ts";
import { parameterTensors } from "../model/parameterInputs.ts";
import { constantParameters, type WeightFormat } from "../model/weights.ts";
import { floats, type HostTensors } from "../runtime/executor.ts";

/** The two files of an exported model: a whole prompt in one pass, and one more token for each sequence of a batch. */
export const GRAPH_FILES = ["forward.onnx", "step.onnx"] as const;
export type GraphFile = (typeof GRAPH_FILES)[number];

/**
 * The graphs of an exported model. Its parameters are constants in them.
 *
 * @param parameters `value.NAME` for each parameter
 */
export function exportedGraphs(
  model: ModelConfig,
  parameters: HostTensors,
  rule: CausalRule,
  weights: WeightFormat,
): Record<GraphFile, GraphDefinition> {
  const constants = constantParameters(model, (name) => floats(parameters, `value.${name}`), weights);
  const tree = parameterTensors(model, constants);
  return {
    "forward.onnx": prefillGraph(model, rule, tree, { logitPlaces: "every" }),
    "step.onnx": stepGraph(model, rule, tree),
  };
}
