import { add, rmsNorm, type Tensor } from "../graph/index.ts";
import { type Attended, type AttentionContext, attention } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import { feedForward } from "./feedForward.ts";
import type { BlockParameters, ExpertsParameters } from "./parameters.ts";

/** What the tokens of a block have around them. */
export interface BlockContext {
  readonly attention: AttentionContext;
  /** How a pass computes experts, x [B, T, D] -> [B, T, D]; models without experts need none. */
  readonly experts?: ((parameters: ExpertsParameters<Tensor>, x: Tensor) => Tensor) | undefined;
}

/** Attention and MLP contributions of a pre-norm block, without the outer residual: f of the paper. x [B, T, D]. */
export function blockDelta(
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  context: BlockContext,
  config: ModelConfig,
): Attended {
  const attended = attend(parameters, x, context, config);
  return { ...attended, y: add(attended.y, feedForwardDelta(parameters, add(x, attended.y), context, config)) };
}

/** A dense block: every token is computed. x [B, T, D]. */
export function denseBlock(
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  context: BlockContext,
  config: ModelConfig,
): Attended {
  const attended = attend(parameters, x, context, config);
  const residual = add(x, attended.y);
  return { ...attended, y: add(residual, feedForwardDelta(parameters, residual, context, config)) };
}

const attend = (parameters: BlockParameters<Tensor>, x: Tensor, context: BlockContext, config: ModelConfig): Attended =>
  attention(parameters.attention, rmsNorm(x, parameters.attentionNorm, config.normEpsilon), context.attention, config);

function feedForwardDelta(
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  { experts }: BlockContext,
  config: ModelConfig,
): Tensor {
  const normalized = rmsNorm(x, parameters.feedForwardNorm, config.normEpsilon);
  const { feedForward: weights } = parameters;
  if (weights.kind === "mlp") return feedForward(weights, normalized, config.mlp);
  if (experts === undefined)
    throw new Error("feedForwardDelta: the pass must say how experts are computed, got nothing");
  return experts(weights, normalized);
}
