import { add, rmsNorm, type Tensor } from "../graph/index.ts";
import { type AttentionContext, attention } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import { feedForward } from "./feedForward.ts";
import type { BlockParameters } from "./parameters.ts";

/** Attention and MLP contributions of a pre-norm block, without the outer residual: f of the paper. [B, T, D] -> [B, T, D]. */
export function blockDelta(
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  context: AttentionContext,
  config: ModelConfig,
): Tensor {
  const attended = attention(
    parameters.attention,
    rmsNorm(x, parameters.attentionNorm, config.normEpsilon),
    context,
    config,
  );
  return add(attended, feedForwardDelta(parameters, add(x, attended), config));
}

/** A dense block: every token is computed. [B, T, D] -> [B, T, D]. */
export function denseBlock(
  parameters: BlockParameters<Tensor>,
  x: Tensor,
  context: AttentionContext,
  config: ModelConfig,
): Tensor {
  const normalized = rmsNorm(x, parameters.attentionNorm, config.normEpsilon);
  const attended = add(x, attention(parameters.attention, normalized, context, config));
  return add(attended, feedForwardDelta(parameters, attended, config));
}

const feedForwardDelta = (parameters: BlockParameters<Tensor>, x: Tensor, config: ModelConfig): Tensor =>
  feedForward(parameters.feedForward, rmsNorm(x, parameters.feedForwardNorm, config.normEpsilon), config.mlp);
