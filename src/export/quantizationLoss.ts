import type { EvaluationWindow } from "../data/evaluationWindows.ts";
import { tokenByteLengths } from "../data/tokenizer/tokenizer.ts";
import type { OnnxTarget, Tensor } from "../graph/index.ts";
import type { CausalRule } from "../model/causalRule.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterList } from "../model/parameters.ts";
import { evaluationRule } from "../model/rules.ts";
import { constantParameters, type QuantizedFormat, roundedValues } from "../model/weights.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { float32, floats, type HostTensors, type Runtime } from "../runtime/executor.ts";
import { Evaluator } from "../train/evaluate.ts";

/** Bits per byte of float32 weights and of the quantised ones; null where it was not measured. */
export interface LossBeforeAfter {
  readonly before: number | null;
  readonly after: number | null;
}

export const NOT_MEASURED: LossBeforeAfter = { before: null, after: null };

export interface QuantizationLossOptions {
  readonly rule: CausalRule;
  /** Of each routed layer; the rule's own, if not given. */
  readonly thresholds?: readonly number[];
  readonly weights: QuantizedFormat;
  /** Whose form of a product is measured: ONNX Runtime's own rounds activations to 8 bits too, the standard one does not. */
  readonly target: OnnxTarget;
  /** On the CPU. */
  readonly runtime: Runtime;
  readonly batchSize?: number;
  /** Called with the tokens scored so far, which are twice those of the windows in the end. */
  readonly onProgress?: (tokens: number) => void;
}

/** What quantised weights cost: the loss of windows under a causal rule, before and after. */
export async function quantizationLoss(
  { model, tokenizer, parameters }: Pick<SavedModel, "model" | "tokenizer" | "parameters">,
  windows: Iterable<EvaluationWindow>,
  { rule, thresholds, weights, target, runtime, batchSize = 8, onProgress = () => {} }: QuantizationLossOptions,
): Promise<{ readonly before: number; readonly after: number }> {
  const rules = [evaluationRule(model, rule)] as const;
  let scored = 0;
  const score = async (values: HostTensors, constants: Readonly<Record<string, Tensor>>): Promise<number> => {
    const evaluator = new Evaluator(model, tokenByteLengths(tokenizer), runtime, {
      constants,
      ...(thresholds && { thresholds: { [rule]: thresholds } }),
    });
    const progress = (tokens: number) => onProgress(scored + tokens);
    try {
      const result = await evaluator.evaluate(windows, values, { rules, batchSize, onProgress: progress });
      scored += result.tokens;
      return result.rules[rules[0]]!.bitsPerByte;
    } finally {
      await evaluator.dispose();
    }
  };
  const before = await score(parameters, {});
  const after =
    target === "onnxruntime"
      ? await score(
          {},
          constantParameters(model, (name) => floats(parameters, `value.${name}`), weights),
        )
      : await score(rounded(model, parameters, weights), {});
  return { before, after };
}

/** Parameters as they are once quantised, in float32. */
const rounded = (model: ModelConfig, parameters: HostTensors, weights: QuantizedFormat): HostTensors =>
  Object.fromEntries(
    parameterList(model).map((spec) => {
      const name = `value.${spec.name}`;
      return [name, float32(spec.shape, roundedValues(spec, floats(parameters, name), weights))];
    }),
  );
