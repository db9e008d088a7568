import { add, rmsNorm, type Tensor } from "../graph/index.ts";
import { type Attended, type AttentionContext, attention } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import { feedForward } from "./feedForward.ts";
import type { BlockParameters } from "./parameters.ts";

/** Attention and MLP contributions of a pre-norm block, without the outer residual: f of the paper. x [B, T, D]. */
export function blockDelta(
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  context: AttentionContext,
  config: ModelConfig,
): Attended {
  const attended = attend(parameters, x, context, config);
  return { ...attended, y: add(attended.y, feedForwardDelta(parameters, add(x, attended.y), config)) };
}

/** A dense block: every token is computed. x [B, T, D]. */
export function denseBlock(
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  context: AttentionContext,
  config: ModelConfig,
): Attended {
  const attended = attend(parameters, x, context, config);
  const residual = add(x, attended.y);
  return { ...attended, y: add(residual, feedForwardDelta(parameters, residual, config)) };
}

const attend = (
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  context: AttentionContext,
  config: ModelConfig,
): Attended =>
  attention(parameters.attention, rmsNorm(x, parameters.attentionNorm, config.normEpsilon), context, config);

const feedForwardDelta = (parameters: BlockParameters<Tensor>, x: Tensor, config: ModelConfig): Tensor =>
  feedForward(parameters.feedForward, rmsNorm(x, parameters.feedForwardNorm, config.normEpsilon), config.mlp);
