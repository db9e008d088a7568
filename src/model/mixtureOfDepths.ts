import {
  add,
  addAtRows,
  constant,
  gatherRows,
  reshape,
  spreadRows,
  staticDim,
  type Tensor,
  topPositions,
} from "../graph/index.ts";
import { attentionContext } from "./attention.ts";
import { type BlockContext, blockDelta } from "./block.ts";
import { capacityOf, type ModelConfig } from "./config.ts";
import type { ModLayerParameters } from "./parameters.ts";
import { gated, gateOf, predictorLogits, routerWeights } from "./router.ts";

/** What one routed block did with its tokens while training. */
export interface RoutedLayer {
  /** r, [B, T]. */
  readonly routerWeights: Tensor;
  /** 1 where the token was routed through, else 0, [B, T]. No gradient. */
  readonly routedThrough: Tensor;
  /** [B, T], if the model has a predictor. */
  readonly predictorLogits?: Tensor;
}

/** Rows of a flattened [B·T, ...] tensor that a choice of positions [B, C] stands for: [B·C] int64. */
function flatRows(positions: Tensor, tokens: number): Tensor {
  const [b, c] = positions.shape as [number, number];
  const starts = constant(
    "int64",
    [b, 1],
    Array.from({ length: b }, (_, i) => i * tokens),
  );
  return reshape(add(positions, starts), [b * c]);
}

/**
 * Mixture-of-Depths block (Raposo et al. 2024, equation 1): xᵢ' = xᵢ + g(rᵢ)·f(X̃)ᵢ for the C tokens of largest rᵢ in their
 * sequence, xᵢ' = xᵢ for all others. Only the C chosen tokens are computed, and they attend to one another alone.
 *
 * @param x [B, T, D], static
 * @param documents int32 [B, T]
 * @param noise r for random routing, [B, T]
 * @param experts of a staged Mixture-of-Depths-and-Experts: how the chosen tokens are computed
 */
export function mixtureOfDepths(
  parameters: ModLayerParameters<Tensor>,
  x: Tensor,
  documents: Tensor,
  noise: Tensor | undefined,
  config: ModelConfig,
  experts?: BlockContext["experts"],
): { readonly x: Tensor; readonly routed: RoutedLayer } {
  const [b, t, d] = x.shape.map((dim) => staticDim("mixtureOfDepths", dim)) as [number, number, number];
  const routing = config.routing;
  if (routing.kind === "none") throw new Error("mixtureOfDepths: the model must have routing, got none");
  const capacity = capacityOf(routing.capacityRatio, t);
  const flat = (value: Tensor) => reshape(value, [b * t]);

  const r = noise ?? routerWeights(parameters.router!, x); //                          [B, T]
  const positions = topPositions(r, capacity); //                                       [B, C], ascending
  const rows = flatRows(positions, t); //                                               [B·C]
  const xRouted = reshape(gatherRows(reshape(x, [b * t, d]), rows), [b, capacity, d]); // [B, C, D]
  const documentsRouted = reshape(gatherRows(flat(documents), rows), [b, capacity]); //   [B, C]
  const context = { attention: attentionContext(positions, x, { documents: documentsRouted }), experts };
  const { y: delta } = blockDelta(parameters.block, xRouted, context, config); //        [B, C, D]
  const rRouted = reshape(gatherRows(flat(r), rows), [b, capacity]); //                 [B, C]
  const update = reshape(gated(gateOf(routing.gate, rRouted), delta), [b * capacity, d]);
  const xNext = reshape(addAtRows(reshape(x, [b * t, d]), rows, update), [b, t, d]); //  [B, T, D]

  const ones = constant(x.dtype, [b * capacity], 1);
  const routedThrough = reshape(spreadRows(ones, rows, b * t), [b, t]);
  const predicted = parameters.predictor && { predictorLogits: predictorLogits(parameters.predictor, x) };
  return { x: xNext, routed: { routerWeights: r, routedThrough, ...predicted } };
}
