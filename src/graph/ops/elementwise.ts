import { ELEMENT_TYPE } from "../onnx/protobuf.ts";
import { applyOne, type Operation } from "../operation.ts";
import { broadcastShapes, type DType, GraphError, isFloat, normalizeAxis, staticSize, type Tensor } from "../tensor.ts";
import { sum, sumTo } from "./broadcast.ts";
import { numberOf, scalar } from "./source.ts";

/** A tensor, or a number that becomes a scalar of the other operand's type. */
export type Operand = Tensor | number;

const tensorOf = (operand: Operand, like: Tensor): Tensor =>
  typeof operand === "number" ? scalar(like.dtype, operand) : operand;

type PairGradient = (a: Tensor, b: Tensor, y: Tensor, dy: Tensor) => readonly [() => Tensor, () => Tensor];

function binary(name: string, opType: string, gradient?: PairGradient, result?: DType) {
  const operation: Operation<object> = {
    name,
    infer: ([a, b]) => {
      if (a!.dtype !== b!.dtype) throw new GraphError(name, "operands must have one type", [a!, b!]);
      return [{ dtype: result ?? a!.dtype, shape: broadcastShapes(name, a!, b!) }];
    },
    emit: (emitter, _, inputs) => emitter.add(opType, inputs),
  };
  if (gradient !== undefined) {
    operation.gradient = ({ inputs: [a, b], outputs: [y] }, [dy]) => {
      const [da, db] = gradient(a!, b!, y!, dy!);
      return [isConstant(a!) ? undefined : sumTo(da(), a!.shape), isConstant(b!) ? undefined : sumTo(db(), b!.shape)];
    };
  }
  return (a: Operand, b: Operand): Tensor => {
    const like = typeof a === "number" ? (b as Tensor) : a;
    return applyOne(operation, [tensorOf(a, like), tensorOf(b, like)], {});
  };
}

const isConstant = (x: Tensor): boolean => x.node.operation.name === "constant";

export const add = binary("add", "Add", (_a, _b, _y, dy) => [() => dy, () => dy]);
export const sub = binary("sub", "Sub", (_a, _b, _y, dy) => [() => dy, () => neg(dy)]);
const product = binary("mul", "Mul", (a, b, _y, dy) => [() => mul(dy, b), () => mul(dy, a)]);
/** The product; of two constant numbers a constant number. */
export function mul(a: Operand, b: Operand): Tensor {
  const like = typeof a === "number" ? (b as Tensor) : a;
  const [x, y] = [a, b].map((operand) => (typeof operand === "number" ? operand : numberOf(operand)));
  return x === undefined || y === undefined ? product(a, b) : scalar(like.dtype, x * y);
}

/** A product with a constant number as its other factor and that number; any other tensor as itself and 1. */
export function withoutFactor(x: Tensor): { tensor: Tensor; factor: number } {
  const [a, b] = x.node.inputs;
  if (x.node.operation.name === "mul") {
    const [left, right] = [numberOf(a!), numberOf(b!)];
    if (right !== undefined) return { tensor: a!, factor: right };
    if (left !== undefined) return { tensor: b!, factor: left };
  }
  return { tensor: x, factor: 1 };
}
export const div = binary("div", "Div", (_a, b, y, dy) => [() => div(dy, b), () => neg(div(mul(dy, y), b))]);
/** The smaller of two; no gradient. */
export const minimum = binary("minimum", "Min");

export const equal = binary("equal", "Equal", undefined, "bool");
export const less = binary("less", "Less", undefined, "bool");
export const greater = binary("greater", "Greater", undefined, "bool");
export const greaterOrEqual = binary("greaterOrEqual", "GreaterOrEqual", undefined, "bool");
export const and = binary("and", "And", undefined, "bool");
export const or = binary("or", "Or", undefined, "bool");

function unary(name: string, opType: string, gradient?: (x: Tensor, y: Tensor, dy: Tensor) => Tensor) {
  const operation: Operation<object> = {
    name,
    infer: ([x]) => {
      if (!isFloat(x!.dtype)) throw new GraphError(name, "the operand must be a float tensor", [x!]);
      return [{ dtype: x!.dtype, shape: x!.shape }];
    },
    ...(gradient && { gradient: ({ inputs: [x], outputs: [y] }, [dy]) => [gradient(x!, y!, dy!)] }),
    emit: (emitter, _, inputs) => emitter.add(opType, inputs),
  };
  return (x: Tensor): Tensor => applyOne(operation, [x], {});
}

export const neg = unary("neg", "Neg", (_x, _y, dy) => neg(dy));
/** The largest integer that is not above x. No gradient. */
export const floor = unary("floor", "Floor");
export const exp = unary("exp", "Exp", (_x, y, dy) => mul(dy, y));
export const log = unary("log", "Log", (x, _y, dy) => div(dy, x));
export const sqrt = unary("sqrt", "Sqrt", (_x, y, dy) => div(mul(dy, 0.5), y));
export const tanh = unary("tanh", "Tanh", (_x, y, dy) => mul(dy, sub(1, mul(y, y))));
export const sigmoid = unary("sigmoid", "Sigmoid", (_x, y, dy) => mul(dy, mul(y, sub(1, y))));
/** x where positive, else 0; its gradient at 0 is 0. */
export const relu = unary("relu", "Relu", (_x, y, dy) => where(greater(y, 0), dy, scalar(dy.dtype, 0)));

/** log(1 + eˣ), written so that neither a large nor a small x overflows: max(x, 0) + log(1 + e^−|x|). */
export const softplus = (x: Tensor): Tensor => applyOne(softplusOperation, [x], {});

const softplusOperation: Operation<object> = {
  name: "softplus",
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  gradient: ({ inputs: [x] }, [dy]) => [mul(dy!, sigmoid(x!))],
  emit: (emitter, _, inputs) => emitter.add("Softplus", inputs),
  decompose: ([x]) => {
    const positive = relu(x!);
    return [add(positive, log(add(exp(sub(x!, mul(positive, 2))), 1)))];
  },
};

/** `a` where the condition holds, else `b`. */
export const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor =>
  applyOne(whereOperation, [condition, a, b], {});

const whereOperation: Operation<object> = {
  name: "where",
  infer: ([condition, a, b]) => {
    if (condition!.dtype !== "bool" || a!.dtype !== b!.dtype) {
      throw new GraphError("where", "needs a bool condition and two operands of one type", [condition!, a!, b!]);
    }
    const branches = { dtype: a!.dtype, shape: broadcastShapes("where", a!, b!) };
    return [{ dtype: a!.dtype, shape: broadcastShapes("where", condition!, branches) }];
  },
  gradient: ({ inputs: [condition, a, b] }, [dy]) => {
    const zero = scalar(dy!.dtype, 0);
    return [
      undefined,
      isConstant(a!) ? undefined : sumTo(where(condition!, dy!, zero), a!.shape),
      isConstant(b!) ? undefined : sumTo(where(condition!, zero, dy!), b!.shape),
    ];
  },
  emit: (emitter, _, inputs) => emitter.add("Where", inputs),
};

/** The same values in another element type. Gradients flow between float types only. */
export const cast = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : applyOne(castOperation, [x], { dtype });

const castOperation: Operation<{ dtype: DType }> = {
  name: "cast",
  infer: ([x], { dtype }) => [{ dtype, shape: x!.shape }],
  gradient: ({ inputs: [x] }, [dy]) => [isFloat(x!.dtype) && isFloat(dy!.dtype) ? cast(dy!, x!.dtype) : undefined],
  emit: (emitter, { attributes }, inputs) =>
    emitter.add("Cast", inputs, { attributes: { to: ELEMENT_TYPE[attributes.dtype as DType] } }),
};

/** The same value, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => applyOne(stopGradientOperation, [x], {});

const stopGradientOperation: Operation<object> = {
  name: "stopGradient",
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  emit: (_emitter, _node, inputs) => inputs,
};

/** Σ x² over axes, which stay as size 1, in one pass; over all axes, if none are given, to a scalar. No gradient. */
export const sumOfSquares = (x: Tensor, axes?: readonly number[]): Tensor =>
  applyOne(sumOfSquaresOperation, [x], {
    axes: axes?.map((axis) => normalizeAxis("sumOfSquares", axis, x.shape.length)),
  });

const sumOfSquaresOperation: Operation<{ axes: readonly number[] | undefined }> = {
  name: "sumOfSquares",
  infer: ([x], { axes }) => [
    { dtype: x!.dtype, shape: axes ? x!.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) : [] },
  ],
  emit: (emitter, { attributes: { axes } }, inputs) =>
    emitter.add("ReduceSumSquare", inputs, { attributes: axes ? { axes, keepdims: 1 } : { keepdims: 0 } }),
};

/** The mean over all elements, of static shape. */
export const mean = (x: Tensor): Tensor => mul(sum(x), 1 / staticSize("mean", x.shape));
