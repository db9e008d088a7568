import { ELEMENT_TYPE } from "../onnx/protobuf.ts";
import { applyOne, type Operation } from "../operation.ts";
import { bytesOf, type Dim, GraphError, normalizeAxis, type Shape, staticDim, type Tensor } from "../tensor.ts";
import { constant } from "./source.ts";

const integer = (where: string, x: Tensor): void => {
  if (x.dtype !== "int32" && x.dtype !== "int64") throw new GraphError(where, "positions must be integers", [x]);
};

/**
 * Rows of x by number: x [R, ...], rows [M] of DISTINCT numbers -> [M, ...]. Distinct is what makes the gradient a plain
 * scatter; for rows that repeat use `embed`.
 */
export const gatherRows = (x: Tensor, rows: Tensor): Tensor => applyOne(gatherRowsOperation, [x, rows], {});

const gatherRowsOperation: Operation<object> = {
  name: "gatherRows",
  infer: ([x, rows]) => {
    integer("gatherRows", rows!);
    return [{ dtype: x!.dtype, shape: [...rows!.shape, ...x!.shape.slice(1)] }];
  },
  gradient: ({ inputs: [x, rows] }, [dy]) => [spreadRows(dy!, rows!, staticDim("gatherRows", x!.shape[0]!)), undefined],
  emit: (emitter, _, inputs) => emitter.add("Gather", inputs, { attributes: { axis: 0 } }),
};

/** Rows set into zeros: y [M, ...], rows [M] int64 of distinct numbers -> [count, ...]. The adjoint of `gatherRows`. */
export const spreadRows = (y: Tensor, rows: Tensor, count: number): Tensor =>
  applyOne(spreadRowsOperation, [y, rows], { count });

const scatter = (
  emitter: Parameters<NonNullable<Operation<object>["emit"]>>[0],
  data: string,
  rows: string,
  values: string,
) => {
  const [indices] = emitter.add("Unsqueeze", [rows, emitter.ints([1])]);
  return emitter.add("ScatterND", [data, indices!, values]);
};

const spreadRowsOperation: Operation<{ count: number }> = {
  name: "spreadRows",
  infer: ([y, rows], { count }) => {
    checkRows("spreadRows", y!, rows!);
    return [{ dtype: y!.dtype, shape: [count, ...y!.shape.slice(1)] }];
  },
  gradient: ({ inputs: [, rows] }, [dy]) => [gatherRows(dy!, rows!), undefined],
  emit: (emitter, { inputs: [y], attributes }, [values, rows]) => {
    const shape = [attributes.count, ...y!.shape.slice(1)].map((dim: Dim) => staticDim("spreadRows", dim));
    return scatter(emitter, emitter.resolve(constant(y!.dtype, shape, 0)), rows!, values!);
  },
};

function checkRows(where: string, y: Tensor, rows: Tensor): void {
  if (rows.dtype !== "int64" || rows.shape.length !== 1 || rows.shape[0] !== y.shape[0]) {
    throw new GraphError(where, "needs one int64 row number for each row", [y, rows]);
  }
}

/**
 * x with `values` added at `rows`: x [R, ...], rows [M] int64 of distinct numbers, values [M, ...]. The residual connection of
 * a routed block: every other row is bit-identical to x's. Written as gather, add, replace: ONNX Runtime's ScatterND with an adding reduction races between threads, a plain one over distinct rows does not.
 */
export const addAtRows = (x: Tensor, rows: Tensor, values: Tensor): Tensor =>
  applyOne(addAtRowsOperation, [x, rows, values], {});

const addAtRowsOperation: Operation<object> = {
  name: "addAtRows",
  infer: ([x, rows, values]) => {
    checkRows("addAtRows", values!, rows!);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: ({ inputs: [, rows] }, [dy]) => [dy, undefined, gatherRows(dy!, rows!)],
  emit: (emitter, _, [x, rows, values]) => {
    const [old] = emitter.add("Gather", [x!, rows!], { attributes: { axis: 0 } });
    return scatter(emitter, x!, rows!, emitter.add("Add", [old!, values!])[0]!);
  },
};

/** Row of `spread` and the values it holds, if x was made by `spreadRows`: lets a sum of gradients touch only those rows. */
export const asSpreadRows = (x: Tensor): { values: Tensor; rows: Tensor } | undefined =>
  x.node.operation === spreadRowsOperation ? { values: x.node.inputs[0]!, rows: x.node.inputs[1]! } : undefined;

/** Rows of a table by number, which may repeat: table [V, D], ids [...] -> [..., D]. */
export const embed = (table: Tensor, ids: Tensor): Tensor => applyOne(embedOperation, [table, ids], {});

const embedOperation: Operation<object> = {
  name: "embed",
  infer: ([table, ids]) => {
    integer("embed", ids!);
    if (table!.shape.length !== 2) throw new GraphError("embed", "the table must have two axes", [table!]);
    return [{ dtype: table!.dtype, shape: [...ids!.shape, table!.shape[1]!] }];
  },
  gradient: ({ inputs: [table, ids] }, [dy]) => [
    applyOne(sumRowsOperation, [dy!, ids!], { shape: table!.shape }),
    undefined,
  ],
  emit: (emitter, _, inputs) => emitter.add("Gather", inputs, { attributes: { axis: 0 } }),
};

/**
 * The gradient of `embed`: rows of dy [..., D] summed by id into [V, D]. ScatterElements with reduction add runs on one
 * thread over the repeated rows, in order: right and reproducible, where ScatterND's reduction races.
 */
const sumRowsOperation: Operation<{ shape: Shape }> = {
  name: "sumRows",
  infer: ([dy], { shape }) => [{ dtype: dy!.dtype, shape }],
  emit: (emitter, { inputs: [dy], attributes }, [values, ids]) => {
    const [vocabulary, width] = attributes.shape as [number, number];
    const zeros = emitter.resolve(constant(dy!.dtype, [vocabulary, width], 0));
    const [rows] = emitter.add("Reshape", [values!, emitter.ints([-1, width])]);
    const [column] = emitter.add("Reshape", [ids!, emitter.ints([-1, 1])]);
    const [shape] = emitter.add("Shape", [rows!]);
    const [indices] = emitter.add("Expand", [column!, shape!]);
    return emitter.add("ScatterElements", [zeros, indices!, rows!], { attributes: { axis: 0, reduction: "add" } });
  },
};

/** One element of the last axis for each row: x [..., V], ids [...] -> [...]. */
export const takeLast = (x: Tensor, ids: Tensor): Tensor => applyOne(takeLastOperation, [x, ids], {});

const takeLastOperation: Operation<object> = {
  name: "takeLast",
  infer: ([x, ids]) => {
    integer("takeLast", ids!);
    return [{ dtype: x!.dtype, shape: ids!.shape }];
  },
  emit: (emitter, _, [x, ids]) => {
    const last = emitter.ints([-1]);
    const [column] = emitter.add("Unsqueeze", [ids!, last]);
    const [taken] = emitter.add("GatherElements", [x!, column!], { attributes: { axis: -1 } });
    return emitter.add("Squeeze", [taken!, last]);
  },
};

/** Numbers of the rows where a mask holds, ascending: bool [R] -> int64 [count]. No gradient. */
export const rowsWhere = (mask: Tensor, count: string): Tensor => applyOne(rowsWhereOperation, [mask], { count });

const rowsWhereOperation: Operation<{ count: string }> = {
  name: "rowsWhere",
  infer: ([mask], { count }) => {
    if (mask!.dtype !== "bool" || mask!.shape.length !== 1) {
      throw new GraphError("rowsWhere", "needs one bool for each row", [mask!]);
    }
    return [{ dtype: "int64", shape: [count] }];
  },
  emit: (emitter, _, [mask]) => {
    const [places] = emitter.add("NonZero", [mask!]); // [1, count]
    return emitter.add("Squeeze", [places!, emitter.ints([0])]);
  },
};

/** Whether a mask holds anywhere: bool [...] -> bool []; or along some axes, which go away. No gradient. */
export const anyOf = (mask: Tensor, axes: readonly number[] = mask.shape.map((_, axis) => axis)): Tensor =>
  applyOne(anyOfOperation, [mask], { axes });

const anyOfOperation: Operation<{ axes: readonly number[] }> = {
  name: "anyOf",
  infer: ([mask], { axes }) => [{ dtype: "bool", shape: mask!.shape.filter((_, axis) => !axes.includes(axis)) }],
  emit: (emitter, { attributes: { axes } }, [mask]) => {
    const [ones] = emitter.add("Cast", [mask!], { attributes: { to: ELEMENT_TYPE.int32 } });
    const [largest] = emitter.add("ReduceMax", [ones!], { attributes: { axes, keepdims: 0 } });
    return emitter.add("Cast", [largest!], { attributes: { to: ELEMENT_TYPE.bool } });
  },
};

/** 0, 1, 2, … along an axis of x, whose length may be symbolic: -> int64 [length]. No gradient. */
export const placesAlong = (x: Tensor, axis: number): Tensor =>
  applyOne(placesAlongOperation, [x], { axis: normalizeAxis("placesAlong", axis, x.shape.length) });

const placesAlongOperation: Operation<{ axis: number }> = {
  name: "placesAlong",
  infer: ([x], { axis }) => [{ dtype: "int64", shape: [x!.shape[axis]!] }],
  emit: (emitter, { attributes: { axis } }, [x]) => {
    const [shape] = emitter.add("Shape", [x!]);
    const number = (value: bigint) => emitter.constant("int64", [], bytesOf(BigInt64Array.of(value)));
    const [length] = emitter.add("Gather", [shape!, number(BigInt(axis))]);
    return emitter.add("Range", [number(0n), length!, number(1n)]);
  },
};
