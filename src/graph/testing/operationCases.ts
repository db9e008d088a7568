import * as g from "../index.ts";
import { type CheckedInput, ramp } from "./gradientCheck.ts";

const positive = (x: CheckedInput): CheckedInput => ({ ...x, values: x.values.map((v) => Math.abs(v) + 0.2) });
const ids = (shape: readonly number[], values: readonly number[]): CheckedInput => ({ shape, values, dtype: "int64" });

/** Queries of two heads, keys and values of `keyHeads`, and a causal bias for blocks of [queries, keys]. */
const attendInputs = (keyHeads: number, blocks: [number, number][]): CheckedInput[] => [
  ramp([2, 2, 4, 3]),
  ramp([2, keyHeads, 4, 3], 2),
  ramp([2, keyHeads, 4, 3], 3),
  ...blocks.map(([queries, keys]) => ({
    shape: [2, 1, queries, keys],
    values: Array.from({ length: 2 * queries * keys }, (_, i) => {
      const [query, key] = [Math.floor(i / keys) % queries, i % keys];
      return key <= keys - queries + query ? 0 : -50;
    }),
    isConstant: true,
  })),
];

const attendWith = ([q, k, v, ...biases]: g.Tensor[], size: number, recompute: boolean): g.Tensor =>
  g.attend(q!, k!, v!, biases, { scale: 0.7, blocks: g.queryBlocks(4, size), recompute });

/** Every differentiable operation: its inputs, and how it is called. */
export const operationCases: Record<string, [CheckedInput[], (inputs: g.Tensor[]) => g.Tensor]> = {
  add: [[ramp([2, 3]), ramp([3], 2)], ([a, b]) => g.add(a!, b!)],
  "add, a scalar": [[ramp([2, 3])], ([a]) => g.add(a!, 2)],
  sub: [[ramp([2, 1, 3]), ramp([4, 1], 2)], ([a, b]) => g.sub(a!, b!)],
  "sub from a number": [[ramp([2])], ([a]) => g.sub(1, a!)],
  mul: [[ramp([2, 3]), ramp([2, 1], 2)], ([a, b]) => g.mul(a!, b!)],
  "mul by itself": [[ramp([3])], ([a]) => g.mul(a!, a!)],
  div: [[ramp([2, 3]), positive(ramp([3], 2))], ([a, b]) => g.div(a!, b!)],
  neg: [[ramp([3])], ([a]) => g.neg(a!)],
  exp: [[ramp([3])], ([a]) => g.exp(a!)],
  log: [[positive(ramp([3]))], ([a]) => g.log(a!)],
  sqrt: [[positive(ramp([3]))], ([a]) => g.sqrt(a!)],
  tanh: [[ramp([5])], ([a]) => g.tanh(a!)],
  sigmoid: [[ramp([5])], ([a]) => g.sigmoid(a!)],
  softplus: [[ramp([5])], ([a]) => g.softplus(a!)],
  relu: [[ramp([7])], ([a]) => g.relu(a!)],
  squaredRelu: [[ramp([7])], ([a]) => g.squaredRelu(a!)],
  gelu: [[ramp([7])], ([a]) => g.gelu(g.mul(a!, 2))],
  silu: [[ramp([7])], ([a]) => g.silu(g.mul(a!, 2))],
  where: [
    [{ ...ids([2, 2], [1, 0, 0, 1]), dtype: "bool" }, ramp([2, 2]), ramp([2], 2)],
    ([c, a, b]) => g.where(c!, a!, b!),
  ],
  cast: [[ramp([3])], ([a]) => g.cast(a!, a!.dtype === "float64" ? "float32" : "float64")],
  sum: [[ramp([2, 3, 2])], ([a]) => g.sum(a!, [0, 2])],
  "sum, kept axes": [[ramp([2, 3])], ([a]) => g.sum(a!, [-1], true)],
  mean: [[ramp([2, 3])], ([a]) => g.mean(a!)],
  expand: [[ramp([3, 1])], ([a]) => g.expand(a!, [2, 3, 2])],
  reshape: [[ramp([2, 6])], ([a]) => g.reshape(a!, [3, 4])],
  flattenRows: [[ramp([2, 3, 2])], ([a]) => g.flattenRows(a!)],
  transpose: [[ramp([2, 3, 4])], ([a]) => g.transpose(a!, [2, 0, 1])],
  concat: [[ramp([2, 2]), ramp([2, 3], 2)], ([a, b]) => g.concat([a!, b!], 1)],
  split: [
    [ramp([2, 5])],
    ([a]) => {
      const [left, right] = g.split(a!, [2, 3], 1);
      return g.mul(g.sum(left!, [1], true), right!);
    },
  ],
  matmul: [[ramp([3, 4]), ramp([4, 2], 2)], ([a, b]) => g.matmul(a!, b!)],
  "matmul, shared weight": [[ramp([2, 3, 4]), ramp([4, 2], 2)], ([a, b]) => g.matmul(a!, b!, { alpha: 0.5 })],
  "matmul, shared weight transposed": [
    [ramp([2, 3, 4]), ramp([2, 4], 2)],
    ([a, b]) => g.matmul(a!, b!, { transposeB: true }),
  ],
  "matmul, batched": [[ramp([2, 3, 4]), ramp([2, 4, 2], 2)], ([a, b]) => g.matmul(a!, b!, { alpha: 2 })],
  "matmul, batched Aᵀ": [[ramp([2, 4, 3]), ramp([2, 4, 2], 2)], ([a, b]) => g.matmul(a!, b!, { transposeA: true })],
  "matmul, batched Bᵀ": [
    [ramp([2, 3, 4]), ramp([2, 2, 4], 2)],
    ([a, b]) => g.matmul(a!, b!, { transposeB: true, alpha: 0.5 }),
  ],
  "matmul, batched AᵀBᵀ": [
    [ramp([2, 4, 3]), ramp([2, 2, 4], 2)],
    ([a, b]) => g.matmul(a!, b!, { transposeA: true, transposeB: true, alpha: -1 }),
  ],
  "matmul, Aᵀ in two axes": [[ramp([4, 3]), ramp([4, 2], 2)], ([a, b]) => g.matmul(a!, b!, { transposeA: true })],
  "matmul, broadcast batch": [[ramp([1, 3, 4]), ramp([2, 4, 2], 2)], ([a, b]) => g.matmul(a!, b!)],
  gatherRows: [[ramp([4, 2]), ids([2], [1, 3])], ([x, rows]) => g.gatherRows(x!, rows!)],
  "gatherRows and the whole": [
    [ramp([4, 2]), ids([2], [1, 3])],
    ([x, rows]) => g.mul(g.sum(g.tanh(g.gatherRows(x!, rows!))), g.mul(x!, x!)),
  ],
  spreadRows: [[ramp([2, 2]), ids([2], [2, 0])], ([y, rows]) => g.spreadRows(y!, rows!, 3)],
  addAtRows: [[ramp([4, 2]), ids([2], [3, 0]), ramp([2, 2], 2)], ([x, rows, y]) => g.addAtRows(x!, rows!, y!)],
  gatherRowSets: [[ramp([4, 2]), ids([2, 3], [1, 3, 0, 2, 3, 1])], ([x, rows]) => g.gatherRowSets(x!, rows!)],
  sumRowSets: [[ramp([2, 3, 2]), ids([2, 3], [1, 3, 0, 2, 3, 1])], ([y, rows]) => g.sumRowSets(y!, rows!, 5)],
  "embed, repeated ids": [[ramp([4, 3]), ids([2, 3], [1, 1, 3, 0, 1, 3])], ([table, id]) => g.embed(table!, id!)],
  softmax: [[ramp([2, 4])], ([x]) => g.softmax(x!)],
  logSoftmax: [[ramp([2, 4])], ([x]) => g.logSoftmax(x!)],
  crossEntropy: [[ramp([2, 2, 4]), ids([2, 2], [3, 0, 1, 1])], ([x, target]) => g.crossEntropy(x!, target!)],
  rmsNorm: [[ramp([2, 2, 4]), ramp([4], 2)], ([x, gain]) => g.rmsNorm(x!, gain!, 1e-5)],
  rotary: [
    [ramp([2, 2, 3, 8]), ids([2, 3], [0, 3, 5, 1, 2, 4])],
    ([x, positions]) => g.rotary(x!, positions!, { base: 100, length: 6 }),
  ],
  "attend, one block": [attendInputs(2, [[4, 4]]), (inputs) => attendWith(inputs, 4, false)],
  "attend, two blocks": [
    attendInputs(2, [
      [2, 2],
      [2, 4],
    ]),
    (inputs) => attendWith(inputs, 2, false),
  ],
  "attend, blocks, shared keys, recomputed": [
    attendInputs(1, [
      [2, 2],
      [2, 4],
    ]),
    (inputs) => attendWith(inputs, 2, true),
  ],
};
