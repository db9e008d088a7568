import {
  constant,
  embed,
  expand,
  matmul,
  reshape,
  rmsNorm,
  slice,
  split,
  staticDim,
  type Tensor,
} from "../graph/index.ts";
import { attentionContext } from "./attention.ts";
import { type BlockContext, denseBlock } from "./block.ts";
import { causalExperts, type ExpertDecision } from "./causalExperts.ts";
import { type CausalContext, type CausalDecision, causalMixtureOfDepths } from "./causalMixtureOfDepths.ts";
import type { ModelConfig } from "./config.ts";
import { type ExpertLayer, trainingExperts } from "./experts.ts";
import { mixtureOfDepths, type RoutedLayer } from "./mixtureOfDepths.ts";
import type { TransformerParameters } from "./parameters.ts";

/** What enters a model while training. Sizes are static. */
export interface TrainingInputs {
  /** int32 [B, T] */
  readonly tokens: Tensor;
  /** int32 [B, T]: attention stays within a document. */
  readonly documents: Tensor;
  /** N(0, 1), [B, T, routed layers]: the router weights of a model with random routing. */
  readonly noise?: Tensor;
}

/** What a training pass gives: logits [B, T, V], and what each routed block and each layer of experts did. */
export interface TrainingResult {
  readonly logits: Tensor;
  readonly routed: readonly RoutedLayer[];
  readonly experts: readonly ExpertLayer[];
}

/** The model as it is trained, with top-k routing and a fixed number of slots for each expert. */
export function trainingForward(
  parameters: TransformerParameters<Tensor>,
  { tokens, documents, noise }: TrainingInputs,
  config: ModelConfig,
): TrainingResult {
  const [b, t] = tokens.shape.map((dim) => staticDim("trainingForward", dim)) as [number, number];
  const order = constant(
    "int64",
    [1, t],
    Array.from({ length: t }, (_, i) => i),
  );
  const experts: ExpertLayer[] = [];
  const computeExperts: BlockContext["experts"] = (weights, x) => {
    const { y, layer } = trainingExperts(weights, x, config);
    experts.push(layer);
    return y;
  };
  const attention = attentionContext(expand(order, [b, t]), parameters.embedding, { documents });
  const context = { attention, experts: computeExperts };
  const noiseOf = layerSlices(noise, parameters);

  let x = embed(parameters.embedding, tokens); // [B, T, D]
  const routed: RoutedLayer[] = [];
  for (const layer of parameters.layers) {
    if (layer.kind === "dense") x = denseBlock(layer.block, x, context, config).y;
    else {
      const result = mixtureOfDepths(layer, x, documents, noiseOf[routed.length], config, computeExperts);
      x = result.x;
      routed.push(result.routed);
    }
  }
  return { logits: logitsOf(parameters, x, config), routed, experts };
}

/** What enters a model under a causal rule, or top-k over sequences of several lengths. */
export interface CausalInputs extends CausalContext {
  /** int32 [B, T] */
  readonly tokens: Tensor;
  /** N(0, 1), [B, T, routed layers]. */
  readonly noise: Tensor;
  /** Slots of each expert for each sequence, int64 [B, 2]: in layers that all tokens enter, and in routed ones. */
  readonly expertSlots?: Tensor | undefined;
  /** Of each routed layer, under a causal rule; the rule's own, if not given. */
  readonly thresholds?: readonly number[];
}

/** What a pass under a rule gives: logits [B, T, V], and what each routed block and each layer of experts decided. */
export interface CausalResult {
  readonly logits: Tensor;
  readonly decisions: readonly CausalDecision[];
  readonly experts: readonly ExpertDecision[];
}

/** The model under a rule. B and T may be symbolic. */
export function causalForward(
  parameters: TransformerParameters<Tensor>,
  inputs: CausalInputs,
  config: ModelConfig,
): CausalResult {
  const experts: ExpertDecision[] = [];
  const expertsOf =
    (active: Tensor, routed: boolean): BlockContext["experts"] =>
    (weights, x) => {
      const context = { ...inputs, active, slots: expertSlots(inputs, routed), label: `experts.${experts.length}` };
      const { y, decision } = causalExperts(weights, x, context, config);
      experts.push(decision);
      return y;
    };
  const attention = attentionContext(inputs.positions, parameters.embedding, inputs);
  const context = { attention, experts: expertsOf(inputs.valid, false) };
  const noiseOf = layerSlices(inputs.noise, parameters);

  let x = embed(parameters.embedding, inputs.tokens); // [B, T, D]
  const decisions: CausalDecision[] = [];
  for (const layer of parameters.layers) {
    if (layer.kind === "dense") x = denseBlock(layer.block, x, context, config).y;
    else {
      const i = decisions.length;
      const result = causalMixtureOfDepths(layer, x, noiseOf[i]!, inputs, config, {
        threshold: inputs.thresholds?.[i],
        expertsOf: (active) => expertsOf(active, true),
      });
      x = result.x;
      decisions.push(result.decision);
    }
  }
  return { logits: logitsOf(parameters, x, config), decisions, experts };
}

const expertSlots = ({ expertSlots: slots }: CausalInputs, routed: boolean): Tensor | undefined =>
  slots && slice(slots, routed ? 1 : 0, routed ? 2 : 1, 1);

/** [B, T, routed layers] as one [B, T] for each. */
function layerSlices(noise: Tensor | undefined, { layers }: TransformerParameters<Tensor>): Tensor[] {
  const count = layers.filter(({ kind }) => kind === "mod").length;
  if (noise === undefined || count === 0) return [];
  return split(noise, Array(count).fill(1), 2).map((slice) => reshape(slice, noise.shape.slice(0, 2)));
}

export function logitsOf(parameters: TransformerParameters<Tensor>, x: Tensor, config: ModelConfig): Tensor {
  const normalized = rmsNorm(x, parameters.finalNorm, config.normEpsilon);
  return parameters.head === undefined
    ? matmul(normalized, parameters.embedding, { transposeB: true })
    : matmul(normalized, parameters.head);
}
