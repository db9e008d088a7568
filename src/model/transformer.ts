import { constant, embed, expand, matmul, reshape, rmsNorm, split, staticDim, type Tensor } from "../graph/index.ts";
import { attentionContext } from "./attention.ts";
import { denseBlock } from "./block.ts";
import { type CausalContext, type CausalDecision, causalMixtureOfDepths } from "./causalMixtureOfDepths.ts";
import type { ModelConfig } from "./config.ts";
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

/** The model as it is trained, with top-k routing: logits [B, T, V], and what each routed block did. */
export function trainingForward(
  parameters: TransformerParameters<Tensor>,
  { tokens, documents, noise }: TrainingInputs,
  config: ModelConfig,
): { readonly logits: Tensor; readonly routed: readonly RoutedLayer[] } {
  const [b, t] = tokens.shape.map((dim) => staticDim("trainingForward", dim)) as [number, number];
  const order = constant(
    "int64",
    [1, t],
    Array.from({ length: t }, (_, i) => i),
  );
  const context = attentionContext(expand(order, [b, t]), parameters.embedding, { documents });
  const noiseOf = layerSlices(noise, parameters);

  let x = embed(parameters.embedding, tokens); // [B, T, D]
  const routed: RoutedLayer[] = [];
  for (const layer of parameters.layers) {
    if (layer.kind === "dense") x = denseBlock(layer.block, x, context, config).y;
    else {
      const result = mixtureOfDepths(layer, x, documents, noiseOf[routed.length], config);
      x = result.x;
      routed.push(result.routed);
    }
  }
  return { logits: logitsOf(parameters, x, config), routed };
}

/** What enters a model under a causal rule, or top-k over sequences of several lengths. */
export interface CausalInputs extends CausalContext {
  /** int32 [B, T] */
  readonly tokens: Tensor;
  /** N(0, 1), [B, T, routed layers]. */
  readonly noise: Tensor;
  /** Of each routed layer, under a causal rule; the rule's own, if not given. */
  readonly thresholds?: readonly number[];
}

/** The model under a rule: logits [B, T, V], and what each routed block decided. B and T may be symbolic. */
export function causalForward(
  parameters: TransformerParameters<Tensor>,
  inputs: CausalInputs,
  config: ModelConfig,
): { readonly logits: Tensor; readonly decisions: readonly CausalDecision[] } {
  const context = attentionContext(inputs.positions, parameters.embedding, inputs);
  const noiseOf = layerSlices(inputs.noise, parameters);

  let x = embed(parameters.embedding, inputs.tokens); // [B, T, D]
  const decisions: CausalDecision[] = [];
  for (const layer of parameters.layers) {
    if (layer.kind === "dense") x = denseBlock(layer.block, x, context, config).y;
    else {
      const i = decisions.length;
      const result = causalMixtureOfDepths(layer, x, noiseOf[i]!, inputs, config, inputs.thresholds?.[i]);
      x = result.x;
      decisions.push(result.decision);
    }
  }
  return { logits: logitsOf(parameters, x, config), decisions };
}

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
