import type { Tensor } from "./tensor.ts";
import { pendingNodes } from "./traversal.ts";

/**
 * Floating-point operations of all matrix products that lead to the given tensors, one multiply-add = 2. Counts what the
 * graph really computes, padding and masked squares included.
 */
export const countFlops = (ends: readonly Tensor[]): number =>
  pendingNodes(ends).reduce((total, node) => total + (node.operation.flops?.(node) ?? 0), 0);
