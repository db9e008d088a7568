import { MICROSOFT } from "../onnx/emitter.ts";
import { applyOne, type Operation } from "../operation.ts";
import type { Tensor } from "../tensor.ts";
import { add, mul, relu, sigmoid, sub, tanh } from "./elementwise.ts";

const sameType = ([x]: readonly Tensor[]) => [{ dtype: x!.dtype, shape: x!.shape }];

/** Squared ReLU, max(x, 0)² (So et al. 2021). */
export const squaredRelu = (x: Tensor): Tensor => applyOne(squaredReluOperation, [x], {});

const squaredReluOperation: Operation<object> = {
  name: "squaredRelu",
  infer: sameType,
  // relu(x) is computed again in the graph and shared with the forward pass by ONNX Runtime's subexpression elimination.
  gradient: ({ inputs: [x] }, [dy]) => [mul(mul(dy!, relu(x!)), 2)],
  decompose: ([x]) => {
    const positive = relu(x!);
    return [mul(positive, positive)];
  },
};

/** √(2/π), the slope inside GELU's tanh form (Hendrycks & Gimpel 2016). */
const GELU_SLOPE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/** GELU in its tanh form: x/2 · (1 + tanh(√(2/π)·(x + 0.044715 x³))). */
export const gelu = (x: Tensor): Tensor => applyOne(geluOperation, [x], {});

const geluTanh = (x: Tensor): Tensor => tanh(mul(mul(x, add(mul(mul(x, x), GELU_CUBIC), 1)), GELU_SLOPE));

const geluOperation: Operation<object> = {
  name: "gelu",
  infer: sameType,
  gradient: ({ inputs: [x] }, [dy]) => {
    // y' = (1 + t)/2 + x/2·(1 − t²)·u'  with  t = tanh(u),  u' = √(2/π)·(1 + 3·0.044715 x²)
    const t = geluTanh(x!);
    const slope = mul(add(mul(mul(x!, x!), 3 * GELU_CUBIC), 1), GELU_SLOPE / 2);
    const derivative = add(mul(add(t, 1), 0.5), mul(mul(x!, sub(1, mul(t, t))), slope));
    return [mul(dy!, derivative)];
  },
  emit: (emitter, _, inputs) => emitter.add("FastGelu", inputs, { domain: MICROSOFT }),
  decompose: ([x]) => [mul(mul(x!, 0.5), add(geluTanh(x!), 1))],
};

/** SiLU, x · sigmoid(x). */
export const silu = (x: Tensor): Tensor => applyOne(siluOperation, [x], {});

const siluOperation: Operation<object> = {
  name: "silu",
  infer: sameType,
  gradient: ({ inputs: [x] }, [dy]) => {
    // y' = s·(1 + x·(1 − s))
    const s = sigmoid(x!);
    return [mul(dy!, mul(s, add(mul(x!, sub(1, s)), 1)))];
  },
  emit: (emitter, _, inputs) =>
    emitter.add("QuickGelu", inputs, { domain: MICROSOFT, attributes: { alpha: { float: 1 } } }),
  decompose: ([x]) => [mul(x!, sigmoid(x!))],
};
