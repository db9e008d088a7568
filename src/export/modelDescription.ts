import type { DType, GraphDefinition, OnnxTarget, Shape, Tensor } from "../graph/index.ts";
import { type CausalRule, causalThreshold } from "../model/causalRule.ts";
import { derived, layerKinds, type ModelConfig, routedLayers } from "../model/config.ts";
import type { LayerKind } from "../model/layerKind.ts";
import { parameterList } from "../model/parameters.ts";
import { type EvaluationRule, evaluationRule } from "../model/rules.ts";
import { isQuantized, QUANTIZATION, type WeightFormat } from "../model/weights.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { meaningOf } from "./meanings.ts";
import type { GraphFile } from "./onnxGraphs.ts";
import type { LossBeforeAfter } from "./quantizationLoss.ts";

/** One input or output of a file. */
export interface ValueDescription {
  readonly name: string;
  readonly type: DType;
  /** Numbers, and the names of sizes that may differ from run to run. */
  readonly shape: Shape;
  readonly meaning: string;
}

/** What `model.json` says: all that a program needs to run the files. */
export interface ModelDescription {
  readonly format: "mixture-of-depths onnx";
  readonly formatVersion: 1;
  /** Of the package that wrote the files. */
  readonly packageVersion: string;
  /** Training steps behind the weights. */
  readonly step: number;
  readonly target: OnnxTarget;
  readonly config: ModelConfig;
  /** `dense` where there is no routed layer. */
  readonly rule: EvaluationRule;
  /** Numbers of the routed layers, and the threshold of each: what to feed as `thresholds`. */
  readonly routedLayers: readonly number[];
  readonly thresholds: readonly number[];
  readonly endOfText: number;
  /** Most tokens of a sequence. */
  readonly contextLength: number;
  /** Of each layer: the shape of its cache of keys, and of its cache of values. */
  readonly caches: readonly { readonly layer: number; readonly kind: LayerKind; readonly shape: Shape }[];
  readonly files: Readonly<
    Record<GraphFile, { readonly inputs: readonly ValueDescription[]; readonly outputs: readonly ValueDescription[] }>
  >;
  readonly quantization: QuantizationDescription | null;
  /** On the run's validation data under the rule; null where it was not measured. */
  readonly bitsPerByte: LossBeforeAfter;
}

export interface QuantizationDescription {
  readonly format: WeightFormat;
  readonly bits: number;
  /** Weights along the inputs of a product that share a scale. */
  readonly blockSize: number;
  /** Parameters that are quantised; the others are float32. */
  readonly parameters: readonly string[];
}

export interface DescriptionOptions {
  readonly rule: CausalRule;
  /** Of each routed layer; the rule's own, if not given. */
  readonly thresholds?: readonly number[];
  readonly target: OnnxTarget;
  readonly weights: WeightFormat;
  readonly bitsPerByte: LossBeforeAfter;
  readonly packageVersion: string;
}

export function describeModel(
  { model, tokenizer, step }: Pick<SavedModel, "model" | "tokenizer" | "step">,
  graphs: Readonly<Record<GraphFile, GraphDefinition>>,
  { rule, thresholds, target, weights, bitsPerByte, packageVersion }: DescriptionOptions,
): ModelDescription {
  const { nRouted, capacityRatio } = derived(model);
  const kinds = layerKinds(model);
  return {
    format: "mixture-of-depths onnx",
    formatVersion: 1,
    packageVersion,
    step,
    target,
    config: model,
    rule: evaluationRule(model, rule),
    routedLayers: routedLayers(model),
    thresholds: thresholds ?? Array<number>(nRouted).fill(finite(causalThreshold(rule, capacityRatio))),
    endOfText: tokenizer.endOfText,
    contextLength: model.seqLen,
    caches: kinds.map((kind, layer) => ({
      layer,
      kind,
      shape: graphs["step.onnx"].inputs[`keys.${layer}`]!.shape,
    })),
    files: {
      "forward.onnx": describeGraph("forward.onnx", graphs["forward.onnx"]),
      "step.onnx": describeGraph("step.onnx", graphs["step.onnx"]),
    },
    quantization: weights === "float32" ? null : describeQuantization(model, weights),
    bitsPerByte,
  };
}

const LARGEST_FLOAT32 = 3.4028234663852886e38;

/** JSON has no infinities; no score is beyond the largest float32. */
const finite = (threshold: number): number => Math.min(LARGEST_FLOAT32, Math.max(-LARGEST_FLOAT32, threshold));

function describeGraph(file: GraphFile, { inputs, outputs }: GraphDefinition) {
  const describe = (values: Readonly<Record<string, Tensor>>): ValueDescription[] =>
    Object.entries(values).map(([name, { dtype, shape }]) => ({
      name,
      type: dtype,
      shape,
      meaning: meaningOf(file, name),
    }));
  return { inputs: describe(inputs), outputs: describe(outputs) };
}

function describeQuantization(model: ModelConfig, weights: keyof typeof QUANTIZATION): QuantizationDescription {
  const parameters = parameterList(model)
    .filter(isQuantized)
    .map(({ name }) => name);
  return { format: weights, ...QUANTIZATION[weights], parameters };
}
