import { applyOne, type Operation } from "../operation.ts";
import { GraphError, staticDim, type Tensor } from "../tensor.ts";
import { sum, sumTo } from "./broadcast.ts";
import { add, div, mul, sqrt, sub } from "./elementwise.ts";
import { scalar } from "./source.ts";

/**
 * RMSNorm over the last axis (Zhang & Sennrich 2019): y = gain · x / √(mean(x²) + ε). x [..., D], gain [D] -> [..., D].
 */
export const rmsNorm = (x: Tensor, gain: Tensor, epsilon: number): Tensor =>
  applyOne(rmsNormOperation, [x, gain], { epsilon });

/** Two outputs: y, and 1/√(mean(x²) + ε) [..., 1], which the gradient needs. */
const rmsNormOperation: Operation<{ epsilon: number }> = {
  name: "rmsNorm",
  infer: ([x, gain]) => {
    if (gain!.shape.length !== 1 || gain!.shape[0] !== x!.shape.at(-1)) {
      throw new GraphError("rmsNorm", "the gain must have one value for each feature", [x!, gain!]);
    }
    return [
      { dtype: x!.dtype, shape: x!.shape },
      { dtype: x!.dtype, shape: x!.shape.with(-1, 1) },
    ];
  },
  gradient: ({ inputs: [x, gain], outputs: [, inverse] }, [dy]) => {
    // With u = x·inverse and h = gain·dy:  dx = inverse·(h − u·mean(h·u)),  dgain = Σ dy·u.
    const normalized = mul(x!, inverse!);
    const scaled = mul(dy!, gain!);
    const width = staticDim("rmsNorm", x!.shape.at(-1)!);
    const along = mul(sum(mul(scaled, normalized), [-1], true), 1 / width);
    return [mul(inverse!, sub(scaled, mul(normalized, along))), sumTo(mul(dy!, normalized), gain!.shape)];
  },
  emit: (emitter, { attributes }, [x, gain]) => {
    return emitter.add("SimplifiedLayerNormalization", [x!, gain!], {
      attributes: { axis: -1, epsilon: { float: attributes.epsilon } },
      outputs: 2,
    });
  },
  decompose: ([x, gain], { epsilon }) => {
    const width = staticDim("rmsNorm", x!.shape.at(-1)!);
    const meanSquare = mul(sum(mul(x!, x!), [-1], true), 1 / width);
    const inverse = div(scalar(x!.dtype, 1), sqrt(add(meanSquare, epsilon)));
    return [mul(mul(x!, inverse), gain!), inverse];
  },
};
