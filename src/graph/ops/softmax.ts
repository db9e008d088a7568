import { applyOne, type Operation } from "../operation.ts";
import { GraphError, type Tensor } from "../tensor.ts";
import { sum } from "./broadcast.ts";
import { exp, mul, sub } from "./elementwise.ts";
import { takeLast } from "./rows.ts";
import { scalar } from "./source.ts";

/** Softmax over the last axis. */
export const softmax = (x: Tensor): Tensor => applyOne(softmaxOperation, [x], {});

const softmaxOperation: Operation<object> = {
  name: "softmax",
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  // dx = y·(dy − Σ y·dy)
  gradient: ({ outputs: [y] }, [dy]) => [mul(y!, sub(dy!, sum(mul(y!, dy!), [-1], true)))],
  emit: (emitter, _, inputs) => emitter.add("Softmax", inputs, { attributes: { axis: -1 } }),
};

const logSoftmaxOperation: Operation<object> = {
  name: "logSoftmax",
  infer: softmaxOperation.infer,
  gradient: ({ outputs: [y] }, [dy]) => [sub(dy!, mul(exp(y!), sum(dy!, [-1], true)))],
  emit: (emitter, _, inputs) => emitter.add("LogSoftmax", inputs, { attributes: { axis: -1 } }),
};

/** log softmax over the last axis. */
export const logSoftmax = (x: Tensor): Tensor => applyOne(logSoftmaxOperation, [x], {});

/** Negative log likelihood of each target, nats: logits [..., V], targets [...] integer -> [...]. */
export const crossEntropy = (logits: Tensor, targets: Tensor): Tensor =>
  applyOne(crossEntropyOperation, [logits, targets], {});

const crossEntropyOperation: Operation<object> = {
  name: "crossEntropy",
  infer: ([logits, targets]) => {
    if (logits!.shape.slice(0, -1).join() !== targets!.shape.join()) {
      throw new GraphError("crossEntropy", "needs one target for each row of logits", [logits!, targets!]);
    }
    return [{ dtype: logits!.dtype, shape: targets!.shape }];
  },
  gradient: ({ inputs: [logits, targets] }, [dy]) => [
    applyOne(crossEntropyGradientOperation, [logSoftmax(logits!), targets!, dy!], {}),
    undefined,
  ],
  decompose: ([logits, targets]) => [mul(takeLast(logSoftmax(logits!), targets!), -1)],
};

/** (softmax − onehot(target))·dy for each row, from the log softmax. */
const crossEntropyGradientOperation: Operation<object> = {
  name: "crossEntropyGradient",
  infer: ([logProbabilities]) => [{ dtype: logProbabilities!.dtype, shape: logProbabilities!.shape }],
  emit: (emitter, { inputs: [logProbabilities] }, [logs, targets, dy]) => {
    const last = emitter.ints([-1]);
    const [probabilities] = emitter.add("Exp", [logs!]);
    const [column] = emitter.add("Unsqueeze", [targets!, last]);
    const [weight] = emitter.add("Unsqueeze", [dy!, last]);
    const minusOne = emitter.resolve(scalar(logProbabilities!.dtype, -1));
    const [shape] = emitter.add("Shape", [column!]);
    const [updates] = emitter.add("Expand", [minusOne, shape!]);
    // One update a row: its indices are distinct, so the adding reduction is safe.
    const scatter = { attributes: { axis: -1, reduction: "add" } };
    const [difference] = emitter.add("ScatterElements", [probabilities!, column!, updates!], scatter);
    return emitter.add("Mul", [difference!, weight!]);
  },
};
