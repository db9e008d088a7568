import { applyOne, type Operation } from "../operation.ts";
import { GraphError, staticDim, type Tensor } from "../tensor.ts";
import { sum, sumTo } from "./broadcast.ts";
import { add, div, mul, sqrt, sub, sumOfSquares } from "./elementwise.ts";
import { scalar } from "./source.ts";

/**
 * RMSNorm over the last axis (Zhang & Sennrich 2019): y = gain · x / √(mean(x²) + ε). x [..., D], gain [D] -> [..., D].
 */
export const rmsNorm = (x: Tensor, gain: Tensor, epsilon: number): Tensor =>
  applyOne(rmsNormOperation, [x, gain], { epsilon });

const rmsNormOperation: Operation<{ epsilon: number }> = {
  name: "rmsNorm",
  infer: ([x, gain]) => {
    if (gain!.shape.length !== 1 || gain!.shape[0] !== x!.shape.at(-1)) {
      throw new GraphError("rmsNorm", "the gain must have one value for each feature", [x!, gain!]);
    }
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: ({ inputs: [x, gain], attributes: { epsilon } }, [dy]) => {
    // With u = x·inverse and h = gain·dy:  dx = inverse·(h − u·mean(h·u)),  dgain = Σ dy·u.
    const inverse = inverseRms(x!, epsilon);
    const normalized = mul(x!, inverse);
    const scaled = mul(dy!, gain!);
    const along = mul(sum(mul(scaled, normalized), [-1], true), 1 / widthOf(x!));
    return [mul(inverse, sub(scaled, mul(normalized, along))), sumTo(mul(dy!, normalized), gain!.shape)];
  },
  // Its second output is the inverse too, but ONNX Runtime 1.30 leaves that output wrong on WebGPU.
  emit: (emitter, { attributes }, inputs) =>
    emitter.add("SimplifiedLayerNormalization", inputs, {
      attributes: { axis: -1, epsilon: { float: attributes.epsilon } },
    }),
  decompose: ([x, gain], { epsilon }) => [mul(mul(x!, inverseRms(x!, epsilon)), gain!)],
};

const widthOf = (x: Tensor): number => staticDim("rmsNorm", x.shape.at(-1)!);

/** 1/√(mean(x²) + ε) over the last axis, [..., 1]. */
const inverseRms = (x: Tensor, epsilon: number): Tensor =>
  div(scalar(x.dtype, 1), sqrt(add(mul(sumOfSquares(x, [-1]), 1 / widthOf(x)), epsilon)));
