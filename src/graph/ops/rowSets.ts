import { applyOne, type Operation } from "../operation.ts";
import { GraphError, type Tensor } from "../tensor.ts";
import { reshape, split } from "./layout.ts";
import { addAtRows, spreadRows } from "./rows.ts";

/**
 * Rows of x for each of several takers: x [R, ...], rows [E, M] int64, distinct within each taker but not between them
 * -> [E, M, ...].
 */
export const gatherRowSets = (x: Tensor, rows: Tensor): Tensor => applyOne(gatherRowSetsOperation, [x, rows], {});

const gatherRowSetsOperation: Operation<object> = {
  name: "gatherRowSets",
  infer: ([x, rows]) => {
    if (rows!.dtype !== "int64" || rows!.shape.length !== 2) {
      throw new GraphError("gatherRowSets", "needs int64 rows [E, M]", [x!, rows!]);
    }
    return [{ dtype: x!.dtype, shape: [...rows!.shape, ...x!.shape.slice(1)] }];
  },
  gradient: ({ inputs: [x, rows] }, [dy]) => [sumRowSets(dy!, rows!, x!.shape[0] as number), undefined],
  emit: (emitter, _, inputs) => emitter.add("Gather", inputs, { attributes: { axis: 0 } }),
};

/**
 * The adjoint: y [E, M, ...] summed at rows [E, M] into [count, ...], taker after taker, so that rows are distinct wherever they
 * are written. A row of nobody is 0.
 */
export const sumRowSets = (y: Tensor, rows: Tensor, count: number): Tensor =>
  applyOne(sumRowSetsOperation, [y, rows], { count });

const sumRowSetsOperation: Operation<{ count: number }> = {
  name: "sumRowSets",
  infer: ([y, rows], { count }) => {
    if (rows!.dtype !== "int64" || rows!.shape.join() !== y!.shape.slice(0, 2).join()) {
      throw new GraphError("sumRowSets", "needs an int64 row number for each row of y", [y!, rows!]);
    }
    return [{ dtype: y!.dtype, shape: [count, ...y!.shape.slice(2)] }];
  },
  gradient: ({ inputs: [, rows] }, [dy]) => [gatherRowSets(dy!, rows!), undefined],
  decompose: ([y, rows], { count }) => {
    const [takers] = y!.shape as readonly number[];
    const parts = (x: Tensor) => split(x, Array(takers).fill(1), 0).map((part) => reshape(part, part.shape.slice(1)));
    const [values, places] = [parts(y!), parts(rows!)];
    const first = spreadRows(values[0]!, places[0]!, count);
    return [values.slice(1).reduce((total, value, i) => addAtRows(total, places[i + 1]!, value), first)];
  },
};
