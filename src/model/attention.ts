import {
  add,
  and,
  equal,
  greaterOrEqual,
  matmul,
  multiplyDims,
  or,
  reshape,
  rotary,
  scalar,
  softmax,
  split,
  type Tensor,
  transpose,
  where,
} from "../graph/index.ts";
import { derived, type ModelConfig } from "./config.ts";
import type { AttentionParameters } from "./parameters.ts";

/** Where the tokens of a block stand, and who may attend to whom. */
export interface AttentionContext {
  /** Position of each token in its sequence, int64 [B, T]. In a routed block these are the original positions. */
  readonly positions: Tensor;
  /** Added to the attention scores, [B, 1, T, T]: 0 where attention is allowed, else very negative. */
  readonly bias: Tensor;
}

/** Far below every score, yet finite: a row without any allowed key stays a number. */
const FORBIDDEN = -1e30;

/**
 * Who may attend to whom: tokens at or before one's own position, of the same document, and, where `keys` is given, only
 * those it holds for (and oneself).
 *
 * @param positions int64 [B, T]
 * @param documents int32 [B, T], number of the document of each token in its row
 * @param keys bool [B, T]
 */
export function attentionContext(positions: Tensor, documents: Tensor, like: Tensor, keys?: Tensor): AttentionContext {
  const [b, t] = positions.shape as [number, number];
  const queryAxis = (x: Tensor) => reshape(x, [b, t, 1]);
  const keyAxis = (x: Tensor) => reshape(x, [b, 1, t]);
  const earlier = greaterOrEqual(queryAxis(positions), keyAxis(positions));
  let allowed = and(earlier, equal(queryAxis(documents), keyAxis(documents)));
  if (keys !== undefined) {
    allowed = and(allowed, or(keyAxis(keys), equal(queryAxis(positions), keyAxis(positions))));
  }
  const bias = where(allowed, scalar(like.dtype, 0), scalar(like.dtype, FORBIDDEN));
  return { positions, bias: reshape(bias, [b, 1, t, t]) };
}

/** Causal multi-head attention with grouped key/value heads and rotary positions: x [B, T, D] -> [B, T, D]. */
export function attention(
  parameters: AttentionParameters<Tensor>,
  x: Tensor,
  { positions, bias }: AttentionContext,
  config: ModelConfig,
): Tensor {
  const [b, t] = x.shape as [number, number];
  const { nHead, dModel } = config;
  const { headDim, nKvHead } = derived(config);
  const heads = nHead + 2 * nKvHead;
  const grouped = [b, nKvHead, multiplyDims([nHead / nKvHead, t])] as const; // the queries that share a key head, as rows

  const qkv = reshape(matmul(x, parameters.qkv), [b, t, heads, headDim]);
  const [q, k, v] = split(transpose(qkv, [0, 2, 1, 3]), [nHead, nKvHead, nKvHead], 1); // [B, N|K, T, H]
  const angles = { base: config.rotaryBase, length: config.seqLen };
  const queries = reshape(rotary(q!, positions, angles), [...grouped, headDim]); //       [B, K, (N/K)·T, H]
  const keys = rotary(k!, positions, angles); //                                          [B, K, T, H]

  const products = matmul(queries, keys, { transposeB: true, alpha: 1 / Math.sqrt(headDim) });
  const weights = softmax(add(reshape(products, [b, nHead, t, t]), bias)); //              [B, N, T, T]
  const mixed = matmul(reshape(weights, [...grouped, t]), v!); //                          [B, K, (N/K)·T, H]
  const joined = transpose(reshape(mixed, [b, nHead, t, headDim]), [0, 2, 1, 3]); //       [B, T, N, H]
  return matmul(reshape(joined, [b, t, dModel]), parameters.output);
}
