import {
  and,
  attend,
  attendToPast,
  type Dim,
  equal,
  greaterOrEqual,
  less,
  matmul,
  or,
  placesAlong,
  type QueryBlock,
  queryBlocks,
  reshape,
  rotary,
  scalar,
  slice,
  split,
  type Tensor,
  transpose,
  where,
} from "../graph/index.ts";
import { derived, type ModelConfig } from "./config.ts";
import type { AttentionParameters } from "./parameters.ts";

/** Where the tokens of a block stand, and who attends to whom. */
export interface AttentionContext {
  /** Position of each token in its sequence, int64 [B, T]. In a routed block these are the original positions. */
  readonly positions: Tensor;
  /** Mixes values by queries and keys: q [B, N, T, H], k and v [B, K, T, H] -> [B, N, T, H]. */
  readonly mix: (q: Tensor, k: Tensor, v: Tensor, scale: number) => Tensor;
}

/** What attention gives: its result, and what later tokens need to attend to these. */
export interface Attended {
  /** [B, T, D] */
  readonly y: Tensor;
  /** Rotated, [B, K, T, H]. */
  readonly keys: Tensor;
  /** [B, K, T, H] */
  readonly values: Tensor;
}

/** Far below every score, yet finite: a row without any allowed key stays a number. */
const FORBIDDEN = -1e30;

/**
 * Queries in a block: an eighth of the sequence, which leaves 9/16 of the square of scores, but not so few that their products
 * are slow (docs/PERFORMANCE.md).
 */
const blockSize = (tokens: Dim): number => (typeof tokens === "string" ? 1 : Math.max(64, Math.floor(tokens / 8)));

/** Tokens from which on attention weights are computed again for the gradients, not kept: beyond, they outgrow all else. */
const RECOMPUTE_FROM = 2048;

/**
 * Tokens attend to those at or before their own position, of the same document where there are several, and, where `keys` is given, only to those it holds for (and themselves). Positions ascend, so no block of queries needs keys beyond its own end.
 *
 * @param positions int64 [B, T]
 * @param documents int32 [B, T], number of the document of each token in its row
 * @param keys bool [B, T]
 */
export function attentionContext(
  positions: Tensor,
  like: Tensor,
  { documents, keys }: { readonly documents?: Tensor; readonly keys?: Tensor } = {},
): AttentionContext {
  const t = positions.shape[1]!;
  const blocks = queryBlocks(t, blockSize(t));
  const biases = blocks.map((block) => blockBias(block, positions, like, documents, keys));
  const recompute = typeof t === "number" && t >= RECOMPUTE_FROM;
  return { positions, mix: (q, k, v, scale) => attend(q, k, v, biases, { scale, blocks, recompute }) };
}

/** Keys and values of earlier tokens, in places of which the first ones of each sequence are taken. */
export interface Cache {
  /** [B, K, S, H] */
  readonly keys: Tensor;
  /** [B, K, S, H] */
  readonly values: Tensor;
}

/** Added to the scores of a cache's places: 0 for the first `lengths`, else very negative. lengths int64 [B] -> [B, 1, 1, S]. */
export function pastBias(cache: Cache, lengths: Tensor): Tensor {
  const taken = less(placesAlong(cache.keys, 2), reshape(lengths, [...lengths.shape, 1])); // [B, S]
  const bias = where(taken, scalar(cache.keys.dtype, 0), scalar(cache.keys.dtype, FORBIDDEN));
  return reshape(bias, [bias.shape[0]!, 1, 1, bias.shape[1]!]);
}

/** One new token a sequence, which attends to those in its cache and to itself. positions int64 [B, 1]. */
export const decodingContext = (positions: Tensor, cache: Cache, bias: Tensor): AttentionContext => ({
  positions,
  mix: (q, k, v, scale) => attendToPast(q, k, v, { ...cache, bias }, scale),
});

function blockBias(
  { start, end }: QueryBlock,
  positions: Tensor,
  like: Tensor,
  documents: Tensor | undefined,
  keys: Tensor | undefined,
): Tensor {
  const [b, t] = positions.shape as [Dim, Dim];
  const part = (x: Tensor, from: QueryBlock["start"]) =>
    from === 0 && end === t ? x : slice(x, from as number, end as number, 1);
  const queryAxis = (x: Tensor) => {
    const queries = part(x, start);
    return reshape(queries, [b, queries.shape[1]!, 1]);
  };
  const keyAxis = (x: Tensor) => reshape(part(x, 0), [b, 1, end]);
  let allowed = greaterOrEqual(queryAxis(positions), keyAxis(positions));
  if (documents !== undefined) allowed = and(allowed, equal(queryAxis(documents), keyAxis(documents)));
  if (keys !== undefined) {
    allowed = and(allowed, or(keyAxis(keys), equal(queryAxis(positions), keyAxis(positions))));
  }
  const bias = where(allowed, scalar(like.dtype, 0), scalar(like.dtype, FORBIDDEN));
  return reshape(bias, [b, 1, ...bias.shape.slice(1)]);
}

/** Causal multi-head attention with grouped key/value heads and rotary positions, over x [B, T, D]. */
export function attention(
  parameters: AttentionParameters<Tensor>,
  x: Tensor,
  { positions, mix }: AttentionContext,
  config: ModelConfig,
): Attended {
  const [b, t] = x.shape as [Dim, Dim];
  const { nHead, dModel, rotaryBase, seqLen } = config;
  const { headDim, nKvHead } = derived(config);
  const angles = { base: rotaryBase, length: seqLen };

  const qkv = reshape(matmul(x, parameters.qkv), [b, t, nHead + 2 * nKvHead, headDim]);
  const [qk, v] = split(swapTokensAndHeads(qkv), [nHead + nKvHead, nKvHead], 1); //             [B, N + K | K, T, H]
  const [q, k] = split(rotary(qk!, positions, angles), [nHead, nKvHead], 1); //                 [B, N | K, T, H]

  const mixed = swapTokensAndHeads(mix(q!, k!, v!, 1 / Math.sqrt(headDim))); //                 [B, T, N, H]
  return { y: matmul(reshape(mixed, [b, t, dModel]), parameters.output), keys: k!, values: v! };
}

/** [B, X, Y, H] -> [B, Y, X, H]; of a single token nothing has to move. */
function swapTokensAndHeads(x: Tensor): Tensor {
  const [b, first, second, h] = x.shape as [Dim, Dim, Dim, Dim];
  return first === 1 || second === 1 ? reshape(x, [b, second, first, h]) : transpose(x, [0, 2, 1, 3]);
}
