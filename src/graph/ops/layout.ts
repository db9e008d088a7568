import { applyOne, type Operation } from "../operation.ts";
import {
  type Dim,
  GraphError,
  multiplyDims,
  normalizeAxis,
  type Shape,
  sameShape,
  staticDim,
  type Tensor,
} from "../tensor.ts";

/**
 * The same elements in another shape. At most one symbolic dimension of the new shape may differ from the old shape's at the
 * same place (ONNX can infer one). A reshape of a reshape is one.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const [original] = x.node.operation === reshapeOperation ? x.node.inputs : [];
  if (original !== undefined && movedDims(original.shape, shape) <= 1) return reshape(original, shape);
  return applyOne(reshapeOperation, [x], { shape });
}

/** Symbolic dimensions that do not stay in their place. */
const movedDims = (from: Shape, to: Shape): number =>
  to.filter((dim, i) => typeof dim === "string" && dim !== from[i]).length;

const reshapeOperation: Operation<{ shape: Shape }> = {
  name: "reshape",
  infer: ([x], { shape }) => {
    if (multiplyDims(x!.shape) !== multiplyDims(shape)) {
      throw new GraphError("reshape", `[${shape.join(", ")}] must have as many elements as its input`, [x!]);
    }
    return [{ dtype: x!.dtype, shape }];
  },
  gradient: ({ inputs: [x] }, [dy]) => [reshape(dy!, x!.shape)],
  emit: (emitter, { inputs: [x], attributes }, [name]) => {
    const dims = (attributes.shape as Shape).map((dim: Dim, i: number) => {
      if (typeof dim === "number") return dim;
      return dim === x!.shape[i] ? 0 : -1;
    });
    if (movedDims(x!.shape, attributes.shape) > 1) {
      throw new GraphError("reshape", "only one symbolic dimension may move", [x!]);
    }
    return emitter.add("Reshape", [name!, emitter.ints(dims)]);
  },
};

/** The same elements in the shape of another tensor, which may have several symbolic dimensions. No gradient. */
export const reshapeLike = (x: Tensor, like: Tensor): Tensor =>
  sameShape(x.shape, like.shape) ? x : applyOne(reshapeLikeOperation, [x, like], {});

const reshapeLikeOperation: Operation<object> = {
  name: "reshapeLike",
  infer: ([x, like]) => {
    if (multiplyDims(x!.shape) !== multiplyDims(like!.shape)) {
      throw new GraphError("reshapeLike", "both must have as many elements", [x!, like!]);
    }
    return [{ dtype: x!.dtype, shape: like!.shape }];
  },
  emit: (emitter, _, [x, like]) => emitter.add("Reshape", [x!, ...emitter.add("Shape", [like!])]),
};

/** Axes in another order: `axes[i]` is the old place of the new axis i. */
export function transpose(x: Tensor, axes: readonly number[]): Tensor {
  return applyOne(transposeOperation, [x], { axes });
}

const transposeOperation: Operation<{ axes: readonly number[] }> = {
  name: "transpose",
  infer: ([x], { axes }) => {
    if ([...axes].sort((a, b) => a - b).join() !== x!.shape.map((_, i) => i).join()) {
      throw new GraphError("transpose", `[${axes}] must name each axis once`, [x!]);
    }
    return [{ dtype: x!.dtype, shape: axes.map((axis) => x!.shape[axis]!) }];
  },
  gradient: ({ attributes }, [dy]) => [
    transpose(
      dy!,
      attributes.axes.map((_: number, i: number) => attributes.axes.indexOf(i)),
    ),
  ],
  emit: (emitter, { attributes }, inputs) =>
    emitter.add("Transpose", inputs, { attributes: { perm: attributes.axes } }),
};

/** Tensors joined along an axis. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (tensors.length === 1) return tensors[0]!;
  const rank = tensors[0]?.shape.length ?? 0;
  return applyOne(concatOperation, tensors, { axis: normalizeAxis("concat", axis, rank) });
}

const concatOperation: Operation<{ axis: number }> = {
  name: "concat",
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    const others = (shape: Shape) => shape.filter((_, i) => i !== axis);
    if (!inputs.every((x) => x.dtype === first!.dtype && sameShape(others(x.shape), others(first!.shape)))) {
      throw new GraphError("concat", `types must agree but for axis ${axis}`, inputs);
    }
    const joined = inputs.reduce((total, x) => total + staticDim("concat", x.shape[axis]!), 0);
    return [{ dtype: first!.dtype, shape: first!.shape.with(axis, joined) }];
  },
  gradient: ({ inputs, attributes }, [dy]) =>
    split(
      dy!,
      inputs.map((x) => x.shape[attributes.axis] as number),
      attributes.axis,
    ),
  emit: (emitter, { attributes }, inputs) => emitter.add("Concat", inputs, { attributes: { axis: attributes.axis } }),
};

/** Tensors of one type as the parts of a new first axis. */
export const stack = (tensors: readonly Tensor[]): Tensor => applyOne(stackOperation, tensors, {});

const stackOperation: Operation<object> = {
  name: "stack",
  infer: (inputs) => {
    const [first] = inputs;
    if (first === undefined || !inputs.every((x) => x.dtype === first.dtype && sameShape(x.shape, first.shape))) {
      throw new GraphError("stack", "needs tensors of one type", inputs);
    }
    return [{ dtype: first.dtype, shape: [inputs.length, ...first.shape] }];
  },
  decompose: (inputs) => [
    concat(
      inputs.map((x) => reshape(x, [1, ...x.shape])),
      0,
    ),
  ],
};

/** Part `i` of the first axis: [N, ...] -> [...]. No gradient. Of a stack it is the tensor that stands there. */
export function part(x: Tensor, i: number): Tensor {
  if (x.node.operation === stackOperation) return x.node.inputs[i]!;
  return reshape(slice(x, i, i + 1, 0), x.shape.slice(1));
}

/** A tensor cut along an axis into parts of the given sizes. */
export function split(x: Tensor, sizes: readonly number[], axis: number): readonly Tensor[] {
  if (sizes.length === 1) return [x];
  const attributes = { sizes, axis: normalizeAxis("split", axis, x.shape.length) };
  return applyOne(splitOperation, [x], attributes).node.outputs;
}

const splitOperation: Operation<{ sizes: readonly number[]; axis: number }> = {
  name: "split",
  infer: ([x], { sizes, axis }) => {
    if (sizes.reduce((a, b) => a + b, 0) !== x!.shape[axis]) {
      throw new GraphError("split", `sizes [${sizes}] must add up to axis ${axis}`, [x!]);
    }
    return sizes.map((size) => ({ dtype: x!.dtype, shape: x!.shape.with(axis, size) }));
  },
  gradient: ({ outputs, attributes }, gradients) => {
    if (gradients.some((gradient) => gradient === undefined)) {
      throw new GraphError("split", "each part must influence the loss, or none", outputs);
    }
    return [concat(gradients as Tensor[], attributes.axis)];
  },
  emit: (emitter, { attributes }, [x]) =>
    emitter.add("Split", [x!, emitter.ints(attributes.sizes)], {
      attributes: { axis: attributes.axis },
      outputs: attributes.sizes.length,
    }),
};

/**
 * Places `start` to `end` of an axis. No gradient. `again` makes a copy of its own: equal slices are otherwise made once and
 * kept until the last is used, which from the forward to the backward pass costs more memory than a copy costs time.
 */
export const slice = (x: Tensor, start: number, end: number, axis: number, again = false): Tensor =>
  applyOne(sliceOperation, [x], { start, end, again, axis: normalizeAxis("slice", axis, x.shape.length) });

const sliceOperation: Operation<{ start: number; end: number; axis: number; again: boolean }> = {
  name: "slice",
  infer: ([x], { start, end, axis }) => {
    const length = staticDim("slice", x!.shape[axis]!);
    if (start < 0 || start >= end || end > length) {
      throw new GraphError("slice", `[${start}, ${end}) must lie in axis ${axis}`, [x!]);
    }
    return [{ dtype: x!.dtype, shape: x!.shape.with(axis, end - start) }];
  },
  emit: (emitter, { inputs, attributes: { start, end, axis, again } }, [x]) => {
    // Counted from the other end it is another operation to ONNX Runtime, which shares equal ones.
    const length = staticDim("slice", inputs[0]!.shape[axis]!);
    const stop = again && end < length ? end - length : end;
    return emitter.add("Slice", [x!, ...[start, stop, axis].map((value) => emitter.ints([value]))]);
  },
};

/** The last place of an axis, whose length may be symbolic and which stays as size 1. No gradient. */
export const lastPlace = (x: Tensor, axis: number): Tensor =>
  applyOne(lastPlaceOperation, [x], { axis: normalizeAxis("lastPlace", axis, x.shape.length) });

const lastPlaceOperation: Operation<{ axis: number }> = {
  name: "lastPlace",
  infer: ([x], { axis }) => [{ dtype: x!.dtype, shape: x!.shape.with(axis, 1) }],
  emit: (emitter, { attributes: { axis } }, [x]) =>
    emitter.add("Slice", [x!, ...[-1, Number.MAX_SAFE_INTEGER, axis].map((value) => emitter.ints([value]))]),
};
