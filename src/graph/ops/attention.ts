import { apply, applyOne, type Operation } from "../operation.ts";
import { type Dim, GraphError, multiplyDims, type Shape, staticDim, staticSize, type Tensor } from "../tensor.ts";
import { sum } from "./broadcast.ts";
import { add, mul, sub } from "./elementwise.ts";
import { concat, reshape, slice, split } from "./layout.ts";
import { matmul } from "./linear.ts";
import { jointSoftmax, softmax } from "./softmax.ts";

/**
 * Attention by blocks of queries, each against the keys up to its own end: the upper triangle of scores between blocks is
 * never computed. Query heads share the key heads evenly, N = G·K.
 *
 * @param q [B, N, T, H]
 * @param k [B, K, T, H]
 * @param v [B, K, T, H]
 * @param biases one for each block of `blocks`, added to its scores: [B, 1, end − start, end]
 * @param scale factor on the products of queries and keys
 * @param recompute computes the weights again for the gradients instead of keeping them: one product of six more, and memory
 *     for one block's weights instead of all blocks' of all layers
 */
export function attend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  biases: readonly Tensor[],
  options: { readonly scale: number; readonly blocks: readonly QueryBlock[]; readonly recompute: boolean },
): Tensor {
  return apply(attendOperation, [q, k, v, ...biases], options).outputs[0]!;
}

/** Keys and values of a sequence's earlier tokens. */
export interface Past {
  /** [B, K, S, H] */
  readonly keys: Tensor;
  /** [B, K, S, H] */
  readonly values: Tensor;
  /** Added to the scores, [B, 1, 1, S]: 0 where there is a token, else very negative. */
  readonly bias: Tensor;
}

/**
 * Attention of one new token a sequence over the earlier ones and itself: q [B, N, 1, H], k and v [B, K, 1, H] -> [B, N, 1, H].
 * No gradient.
 */
export function attendToPast(q: Tensor, k: Tensor, v: Tensor, past: Past, scale: number): Tensor {
  const rows = grouped(q, k.shape[1]!); //                                                          [B, K, G, H]
  const scores = (keys: Tensor) => matmul(rows, keys, { transposeB: true, alpha: scale });
  const [weights, own] = jointSoftmax(add(scores(past.keys), past.bias), scores(k)); //             [B, K, G, S | 1]
  return reshape(add(matmul(weights!, past.values), mul(own!, v)), q.shape);
}

/** Queries `start` to `end`, which see the keys 0 to `end`. */
export interface QueryBlock {
  readonly start: Dim;
  readonly end: Dim;
}

/** Blocks of `size` queries; one block of all of them where their number is symbolic or not a multiple. */
export function queryBlocks(tokens: Dim, size: number): QueryBlock[] {
  if (typeof tokens === "string" || tokens % size !== 0) return [{ start: 0, end: tokens }];
  return Array.from({ length: tokens / size }, (_, i) => ({ start: i * size, end: (i + 1) * size }));
}

interface AttendAttributes {
  readonly scale: number;
  readonly blocks: readonly QueryBlock[];
  readonly recompute: boolean;
}

/** Number of queries of a block. */
const queriesIn = ({ start, end }: QueryBlock): Dim => (start === 0 ? end : (end as number) - (start as number));

/** The queries [B, N, t, H] that share a key head, as rows under one another: [B, K, G·t, H]. */
function grouped(q: Tensor, keyHeads: Dim): Tensor {
  const [b, n, t, h] = q.shape as [Dim, number, Dim, Dim];
  return reshape(q, [b, keyHeads, multiplyDims([n / (keyHeads as number), t]), h]);
}

/** Softmax of scaled scores and bias: q [B, N, t, H], k [B, K, S, H] -> [B, N, t, S]. */
function weights(q: Tensor, k: Tensor, bias: Tensor, scale: number): Tensor {
  const products = matmul(grouped(q, k.shape[1]!), k, { transposeB: true, alpha: scale });
  return softmax(add(reshape(products, [...q.shape.slice(0, 3), k.shape[2]!]), bias));
}

/** A tensor's part for each block along the axis of tokens. */
const queryParts = (x: Tensor, blocks: readonly QueryBlock[]): readonly Tensor[] =>
  blocks.length === 1 ? [x] : split(x, blocks.map(queriesIn) as number[], 2);

/** Keys or values that a block sees. */
const prefix = (x: Tensor, { end }: QueryBlock, again = false): Tensor =>
  end === x.shape[2] ? x : slice(x, 0, end as number, 2, again);

/** Σ over blocks of tensors [B, K, end, H], each of which stands for the first `end` places. */
function sumOfPrefixes(parts: readonly Tensor[], blocks: readonly QueryBlock[]): Tensor {
  const sizes = blocks.map(queriesIn) as number[];
  const pieces = parts.map((part, i) => split(part, sizes.slice(0, i + 1), 2));
  return concat(
    sizes.map((_, j) =>
      pieces
        .slice(j)
        .map((piece) => piece[j]!)
        .reduce((a, b) => add(a, b)),
    ),
    2,
  );
}

const attendOperation: Operation<AttendAttributes> = {
  name: "attend",
  infer: ([q, k, v, ...biases], { blocks, recompute }) => {
    const [b, n, t, h] = q!.shape as [Dim, number, Dim, Dim];
    const keys = k!.shape as readonly Dim[];
    if (
      keys.join() !== v!.shape.join() ||
      keys[0] !== b ||
      keys[2] !== t ||
      keys[3] !== h ||
      n % (keys[1] as number) !== 0
    ) {
      throw new GraphError("attend", "needs q [B, N, T, H], and k and v [B, K, T, H] with K a divisor of N", [
        q!,
        k!,
        v!,
      ]);
    }
    if (biases.length !== blocks.length) {
      throw new GraphError("attend", `needs a bias for each of ${blocks.length} blocks`, biases);
    }
    const kept = recompute
      ? []
      : blocks.map((block) => ({ dtype: q!.dtype, shape: [b, n, queriesIn(block), block.end] }));
    return [{ dtype: q!.dtype, shape: q!.shape }, ...kept];
  },
  gradient: ({ inputs: [q, k, v, ...biases], outputs: [y, ...kept], attributes }, [dy]) => {
    const { scale, blocks, recompute } = attributes as AttendAttributes;
    const keyHeads = k!.shape[1]!;
    // Made again, what a block reads must not be what the forward pass read, or that would be kept.
    const [q2, k2, v2] = recompute ? [q!, k!, v!].map((x) => after(x, dy!)) : [q, k, v];
    const [qs, ys, dys] = [queryParts(q2!, blocks), queryParts(y!, blocks), queryParts(dy!, blocks)];
    const parts = blocks.map((block, i) => {
      const [keys, values] = [prefix(k2!, block, true), prefix(v2!, block, true)];
      const [rows, dRows] = [grouped(qs[i]!, keyHeads), grouped(dys[i]!, keyHeads)];
      const p = recompute ? weights(qs[i]!, keys, biases[i]!, scale) : kept[i]!; //  [B, N, t, S]
      const groupedShape: Shape = [...rows.shape.slice(0, 3), keys.shape[2]!]; //                    [B, K, G·t, S]
      const dp = reshape(matmul(dRows, values, { transposeB: true }), p.shape);
      // Σ p·dp over the keys is Σ dy·y over the features, a far smaller sum (Dao et al. 2022, FlashAttention).
      const along = sum(mul(dys[i]!, ys[i]!), [-1], true); //                                        [B, N, t, 1]
      const ds = reshape(mul(p, sub(dp, along)), groupedShape);
      return {
        dq: reshape(matmul(ds, keys, { alpha: scale }), qs[i]!.shape),
        dk: matmul(ds, rows, { transposeA: true, alpha: scale }),
        dv: matmul(reshape(p, groupedShape), dRows, { transposeA: true }),
      };
    });
    return [
      concat(
        parts.map(({ dq }) => dq),
        2,
      ),
      sumOfPrefixes(
        parts.map(({ dk }) => dk),
        blocks,
      ),
      sumOfPrefixes(
        parts.map(({ dv }) => dv),
        blocks,
      ),
      ...biases.map(() => undefined),
    ];
  },
  decompose: ([q, k, v, ...biases], { scale, blocks, recompute }) => {
    const parts = queryParts(q!, blocks).map((queries, i) => {
      const p = weights(queries, prefix(k!, blocks[i]!), biases[i]!, scale);
      const values = prefix(v!, blocks[i]!);
      const rows = reshape(p, [...grouped(queries, k!.shape[1]!).shape.slice(0, 3), values.shape[2]!]);
      return { p, y: reshape(matmul(rows, values), queries.shape) };
    });
    const y = concat(
      parts.map((part) => part.y),
      2,
    );
    return [y, ...(recompute ? [] : parts.map(({ p }) => p))];
  },
  flops: ({ inputs: [q], attributes: { blocks } }) => {
    const [b, n, , h] = q!.shape;
    const products = (blocks as readonly QueryBlock[]).map((block) =>
      staticSize("attend", [b!, n!, h!, queriesIn(block), block.end]),
    );
    return 4 * products.reduce((total, size) => total + size, 0);
  },
};

/**
 * x, computed no sooner than `other`: adds 0 times an element of it. What follows can then neither be shared with the same
 * computation elsewhere nor be done long before it is needed.
 */
const after = (x: Tensor, other: Tensor): Tensor => applyOne(afterOperation, [x, other], {});

const afterOperation: Operation<object> = {
  name: "after",
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  decompose: ([x, other]) => {
    const size = other!.shape.reduce<number>((total, dim) => total * staticDim("after", dim), 1);
    const element = reshape(slice(reshape(other!, [size]), 0, 1, 0), []);
    return [add(x!, mul(element, 0))];
  },
};
