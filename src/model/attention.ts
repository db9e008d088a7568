import {
  and,
  attend,
  type Dim,
  equal,
  greaterOrEqual,
  matmul,
  or,
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

/** Where the tokens of a block stand, and who may attend to whom. */
export interface AttentionContext {
  /** Position of each token in its sequence, int64 [B, T]. In a routed block these are the original positions. */
  readonly positions: Tensor;
  /** Queries that are computed together, and the keys they are compared with. */
  readonly blocks: readonly QueryBlock[];
  /** Added to the attention scores of each block, [B, 1, end − start, end]: 0 where attention is allowed, else very negative. */
  readonly biases: readonly Tensor[];
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
 * Who may attend to whom: tokens at or before one's own position, of the same document, and, where `keys` is given, only
 * those it holds for (and oneself). Positions ascend, so no block of queries needs keys beyond its own end.
 *
 * @param positions int64 [B, T]
 * @param documents int32 [B, T], number of the document of each token in its row
 * @param keys bool [B, T]
 */
export function attentionContext(positions: Tensor, documents: Tensor, like: Tensor, keys?: Tensor): AttentionContext {
  const blocks = queryBlocks(positions.shape[1]!, blockSize(positions.shape[1]!));
  const biases = blocks.map((block) => blockBias(block, positions, documents, like, keys));
  return { positions, blocks, biases };
}

function blockBias(
  { start, end }: QueryBlock,
  positions: Tensor,
  documents: Tensor,
  like: Tensor,
  keys: Tensor | undefined,
): Tensor {
  const [b, t] = positions.shape as [number, number];
  const part = (x: Tensor, from: QueryBlock["start"]) =>
    from === 0 && end === t ? x : slice(x, from as number, end as number, 1);
  const queryAxis = (x: Tensor) => {
    const queries = part(x, start);
    return reshape(queries, [b, queries.shape[1]!, 1]);
  };
  const keyAxis = (x: Tensor) => reshape(part(x, 0), [b, 1, end]);
  const earlier = greaterOrEqual(queryAxis(positions), keyAxis(positions));
  let allowed = and(earlier, equal(queryAxis(documents), keyAxis(documents)));
  if (keys !== undefined) {
    allowed = and(allowed, or(keyAxis(keys), equal(queryAxis(positions), keyAxis(positions))));
  }
  const bias = where(allowed, scalar(like.dtype, 0), scalar(like.dtype, FORBIDDEN));
  return reshape(bias, [b, 1, ...bias.shape.slice(1)]);
}

/** Causal multi-head attention with grouped key/value heads and rotary positions: x [B, T, D] -> [B, T, D]. */
export function attention(
  parameters: AttentionParameters<Tensor>,
  x: Tensor,
  { positions, blocks, biases }: AttentionContext,
  config: ModelConfig,
): Tensor {
  const [b, t] = x.shape as [number, number];
  const { nHead, dModel, rotaryBase, seqLen } = config;
  const { headDim, nKvHead } = derived(config);
  const angles = { base: rotaryBase, length: seqLen };

  const qkv = reshape(matmul(x, parameters.qkv), [b, t, nHead + 2 * nKvHead, headDim]);
  const [qk, v] = split(transpose(qkv, [0, 2, 1, 3]), [nHead + nKvHead, nKvHead], 1); //      [B, N + K | K, T, H]
  const [q, k] = split(rotary(qk!, positions, angles), [nHead, nKvHead], 1); //               [B, N | K, T, H]

  const recompute = typeof t === "number" && t >= RECOMPUTE_FROM;
  const options = { scale: 1 / Math.sqrt(headDim), blocks, recompute };
  const mixed = transpose(attend(q!, k!, v!, biases, options), [0, 2, 1, 3]); //               [B, T, N, H]
  return matmul(reshape(mixed, [b, t, dModel]), parameters.output);
}
