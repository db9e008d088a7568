import type { Operation } from "./operation.ts";

/** Element types of a graph. `float64` exists for gradient checks: the same graph, built in double precision. */
export type DType = "float32" | "float64" | "int32" | "int64" | "uint8" | "bool";

/** The typed array that holds a type's elements in memory. */
export const ARRAY_TYPE = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** The bytes of a typed array as they stand in memory (little-endian on every machine that Node runs on). */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A size known when the graph is built, or the name of one that is known when it runs (an ONNX dynamic dimension). */
export type Dim = number | string;

export type Shape = readonly Dim[];

/** What is known of a tensor before it has a value. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A symbolic tensor: one output of one node. It has a type and a maker, and no value. */
export interface Tensor extends TensorType {
  readonly node: Node;
  /** Which output of `node` this is. */
  readonly index: number;
}

/** One application of an operation. A graph is whatever can be reached from the tensors at its end. */
export interface Node {
  // biome-ignore lint/suspicious/noExplicitAny: a graph holds operations of every attribute type
  readonly operation: Operation<any>;
  readonly inputs: readonly Tensor[];
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly attributes: any;
  readonly outputs: readonly Tensor[];
}

/** A named graph: what is fed, what is fetched. Insertion order is the order in the file. */
export interface GraphDefinition {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float64";

export const formatShape = (shape: Shape): string => `[${shape.join(", ")}]`;

export const formatType = (type: TensorType): string => `${type.dtype}${formatShape(type.shape)}`;

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** A rule was broken while a graph was being built. */
export class GraphError extends Error {
  override name = "GraphError";
  constructor(where: string, rule: string, got: readonly TensorType[] | string) {
    const shown = typeof got === "string" ? got : got.map(formatType).join(", ") || "nothing";
    super(`${where}: ${rule}, got ${shown}`);
  }
}

/** The dimension as a number; throws a `GraphError` where it is only a name. */
export function staticDim(where: string, dim: Dim): number {
  if (typeof dim === "number") return dim;
  throw new GraphError(where, "the size must be known when the graph is built", `the symbolic dimension "${dim}"`);
}

/** Elements of a shape; throws a `GraphError` where a dimension is symbolic. */
export const staticSize = (where: string, shape: Shape): number =>
  shape.reduce<number>((size, dim) => size * staticDim(where, dim), 1);

/**
 * The product of dimensions in a canonical form, so that `multiplyDims(["batch", 4])` equals `multiplyDims([4, "batch"])`:
 * the numeric factor first, then the names in alphabetical order, joined by `*`.
 */
export function multiplyDims(dims: readonly Dim[]): Dim {
  let factor = 1;
  const names: string[] = [];
  for (const part of dims.flatMap((dim) => String(dim).split("*"))) {
    const number = Number(part);
    if (Number.isNaN(number)) names.push(part);
    else factor *= number;
  }
  if (names.length === 0 || factor === 0) return factor;
  return [...(factor === 1 ? [] : [factor]), ...names.sort()].join("*");
}

/** The shape two operands broadcast to, by NumPy's rule; a symbolic dimension only meets itself or 1. */
export function broadcastShapes(where: string, a: TensorType, b: TensorType): Shape {
  const rank = Math.max(a.shape.length, b.shape.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a.shape[i - rank + a.shape.length] ?? 1;
    const y = b.shape[i - rank + b.shape.length] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new GraphError(where, "shapes must broadcast (equal, or 1, from the last axis on)", [a, b]);
  });
}

/** Axis counted from the front: -1 is the last of `rank`. */
export function normalizeAxis(where: string, axis: number, rank: number): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(axis) && normalized >= 0 && normalized < rank) return normalized;
  throw new GraphError(where, `the axis must be an integer in [${-rank}, ${rank - 1}]`, String(axis));
}
