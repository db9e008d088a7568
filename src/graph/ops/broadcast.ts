import { applyOne, type Operation } from "../operation.ts";
import { GraphError, normalizeAxis, type Shape, sameShape, staticSize, type Tensor } from "../tensor.ts";
import { reshape } from "./layout.ts";

/** Repeats axes of size 1 (and missing leading ones) up to a static shape. The adjoint of `sumTo`. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : applyOne(expandOperation, [x], { shape });
}

const expandOperation: Operation<{ shape: Shape }> = {
  name: "expand",
  infer: ([x], { shape }) => {
    const offset = shape.length - x!.shape.length;
    if (offset < 0 || !x!.shape.every((dim, i) => dim === 1 || dim === shape[i + offset])) {
      throw new GraphError("expand", `must broadcast to [${shape.join(", ")}]`, [x!]);
    }
    return [{ dtype: x!.dtype, shape }];
  },
  gradient: ({ inputs: [x] }, [dy]) => [sumTo(dy!, x!.shape)],
  emit: (emitter, { attributes }, [x]) => {
    staticSize("expand", attributes.shape);
    return emitter.add("Expand", [x!, emitter.ints(attributes.shape)]);
  },
};

/** The scalar that fills a tensor, if it was made by expanding one. */
export function asUniform(x: Tensor): Tensor | undefined {
  if (x.shape.length === 0) return x;
  const spread = x.node.operation === expandOperation || x.node.operation.name === "reshape";
  return spread ? asUniform(x.node.inputs[0]!) : undefined;
}

/** The sum over axes, which stay as size 1 if `keep`. */
export function sum(x: Tensor, axes: readonly number[] = x.shape.map((_, i) => i), keep = false): Tensor {
  const normalized = axes.map((axis) => normalizeAxis("sum", axis, x.shape.length));
  return applyOne(sumOperation, [x], { axes: normalized, keep });
}

const withoutAxes = (shape: Shape, axes: readonly number[], keep: boolean): Shape =>
  keep ? shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) : shape.filter((_, i) => !axes.includes(i));

const sumOperation: Operation<{ axes: readonly number[]; keep: boolean }> = {
  name: "sum",
  infer: ([x], { axes, keep }) => [{ dtype: x!.dtype, shape: withoutAxes(x!.shape, axes, keep) }],
  gradient: ({ inputs: [x], attributes }, [dy]) => [
    expand(reshape(dy!, withoutAxes(x!.shape, attributes.axes, true)), x!.shape),
  ],
  emit: (emitter, { attributes }, [x]) =>
    emitter.add("ReduceSum", [x!, emitter.ints(attributes.axes)], {
      attributes: { keepdims: attributes.keep ? 1 : 0 },
    }),
};

/** Sums a broadcast result back to the shape of one operand. The adjoint of `expand`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const offset = x.shape.length - shape.length;
  const axes = x.shape.map((_, i) => i).filter((i) => i < offset || (shape[i - offset] === 1 && x.shape[i] !== 1));
  return reshape(sum(x, axes, true), shape);
}

/** The largest value of the last axis: x [..., V] -> [...]. No gradient. */
export const maximum = (x: Tensor): Tensor => applyOne(maximumOperation, [x], {});

const maximumOperation: Operation<object> = {
  name: "maximum",
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape.slice(0, -1) }],
  emit: (emitter, _, inputs) => emitter.add("ReduceMax", inputs, { attributes: { axes: [-1], keepdims: 0 } }),
};
