import { ELEMENT_TYPE } from "../onnx/protobuf.ts";
import { applyOne, type Operation } from "../operation.ts";
import { GraphError, normalizeAxis, staticDim, type Tensor } from "../tensor.ts";
import { less } from "./elementwise.ts";
import { scalar } from "./source.ts";

/**
 * Positions of the `count` largest values of the last axis, in ascending order of position: x [..., T] -> int64 [..., count].
 * Exactly `count`, also under ties, where the lower position wins (ONNX TopK's rule). No gradient.
 */
export const topPositions = (x: Tensor, count: number): Tensor => applyOne(topPositionsOperation, [x], { count });

const topPositionsOperation: Operation<{ count: number }> = {
  name: "topPositions",
  infer: ([x], { count }) => {
    const length = staticDim("topPositions", x!.shape.at(-1)!);
    if (!Number.isInteger(count) || count < 1 || count > length) {
      throw new GraphError("topPositions", `the count must be an integer in [1, T=${length}]`, String(count));
    }
    return [{ dtype: "int64", shape: x!.shape.with(-1, count) }];
  },
  emit: (emitter, { attributes }, [x]) => {
    const count = emitter.ints([attributes.count]);
    const [, positions] = emitter.add("TopK", [x!, count], { attributes: { axis: -1 }, outputs: 2 });
    const ascending = { attributes: { axis: -1, largest: 0 }, outputs: 2 };
    return emitter.add("TopK", [positions!, count], ascending).slice(0, 1);
  },
};

/**
 * Place of each value of the last axis in descending order, 0 for the largest: x [..., T] -> int64 [..., T]. Under ties the
 * lower position comes first, so `rank < C` holds for exactly the C positions of `topPositions`. No gradient.
 */
export const descendingRank = (x: Tensor): Tensor => applyOne(descendingRankOperation, [x], {});

const descendingRankOperation: Operation<object> = {
  name: "descendingRank",
  infer: ([x]) => [{ dtype: "int64", shape: x!.shape }],
  emit: (emitter, _, [x]) => {
    const [shape] = emitter.add("Shape", [x!]);
    const [length] = emitter.add("Slice", [shape!, emitter.ints([-1]), emitter.ints([Number.MAX_SAFE_INTEGER])]);
    const [, order] = emitter.add("TopK", [x!, length!], { attributes: { axis: -1 }, outputs: 2 });
    // Where position p stands in the order: the order sorted ascending yields p at its own place.
    const ascending = { attributes: { axis: -1, largest: 0 }, outputs: 2 };
    return emitter.add("TopK", [order!, length!], ascending).slice(1);
  },
};

/**
 * Whether a value is among the `count` largest of the last axis, exactly `count` of them, lower positions first under ties:
 * x [..., T] -> bool [..., T]. No gradient.
 */
export const amongLargest = (x: Tensor, count: number): Tensor =>
  count === 1 ? applyOne(isLargestOperation, [x], {}) : less(descendingRank(x), scalar("int64", count));

const isLargestOperation: Operation<object> = {
  name: "isLargest",
  infer: ([x]) => [{ dtype: "bool", shape: x!.shape }],
  emit: (emitter, { inputs: [x] }, [name]) => {
    const length = staticDim("amongLargest", x!.shape.at(-1)!);
    const [largest] = emitter.add("ArgMax", [name!], { attributes: { axis: -1, keepdims: 1 } });
    return emitter.add("Equal", [largest!, emitter.ints(Array.from({ length }, (_, i) => i))]);
  },
};

/** How many of the tokens up to and including each hold: bool [..., T, X] -> int64 [..., T, X], counted along `axis`. No gradient. */
export const countUntil = (mask: Tensor, axis: number): Tensor =>
  applyOne(countUntilOperation, [mask], { axis: normalizeAxis("countUntil", axis, mask.shape.length) });

const countUntilOperation: Operation<{ axis: number }> = {
  name: "countUntil",
  infer: ([mask]) => {
    if (mask!.dtype !== "bool") throw new GraphError("countUntil", "needs a bool tensor", [mask!]);
    return [{ dtype: "int64", shape: mask!.shape }];
  },
  emit: (emitter, { attributes: { axis } }, [mask]) => {
    const [ones] = emitter.add("Cast", [mask!], { attributes: { to: ELEMENT_TYPE.int64 } });
    return emitter.add("CumSum", [ones!, emitter.ints([axis])]);
  },
};
