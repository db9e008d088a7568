import { apply, applyOne, type Operation } from "../operation.ts";
import { GraphError, staticDim, type Tensor } from "../tensor.ts";
import { asUniform, maximum, sum } from "./broadcast.ts";
import { exp, log, mul, sub } from "./elementwise.ts";
import { reshape } from "./layout.ts";
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

/**
 * Softmax over the last axes of two tensors together, as if they were one: a [..., M], b [..., k] -> the same. M may be
 * symbolic, k not. No gradient.
 */
export const jointSoftmax = (a: Tensor, b: Tensor): readonly Tensor[] =>
  apply(jointSoftmaxOperation, [a, b], {}).outputs;

const jointSoftmaxOperation: Operation<object> = {
  name: "jointSoftmax",
  infer: ([a, b]) => [a!, b!].map(({ dtype, shape }) => ({ dtype, shape })),
  emit: (emitter, { inputs: [, b] }, names) => {
    const last = { attributes: { axis: -1 } };
    const [scores] = emitter.add("Concat", names, last);
    const [weights] = emitter.add("Softmax", [scores!], last);
    const cut = -staticDim("jointSoftmax", b!.shape.at(-1)!);
    const part = (start: number, end: number) =>
      emitter.add("Slice", [weights!, ...[start, end, -1].map((value) => emitter.ints([value]))])[0]!;
    return [part(0, cut), part(cut, Number.MAX_SAFE_INTEGER)];
  },
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
  gradient: ({ inputs: [logits, targets] }, [dy]) => {
    const difference = applyOne(minusOneHotOperation, [softmax(logits!), targets!], {});
    return [mul(difference, asUniform(dy!) ?? reshape(dy!, [...dy!.shape, 1])), undefined];
  },
  // log Σ eˣ = max x − log max p: from the softmax that the gradient needs too, without another pass that writes.
  decompose: ([logits, targets]) => {
    const logSumExp = sub(maximum(logits!), log(maximum(softmax(logits!))));
    return [sub(logSumExp, takeLast(logits!, targets!))];
  },
};

/** Probabilities less 1 at each row's target: p [..., V], targets [...] -> [..., V]. */
const minusOneHotOperation: Operation<object> = {
  name: "minusOneHot",
  infer: ([probabilities]) => [{ dtype: probabilities!.dtype, shape: probabilities!.shape }],
  emit: (emitter, { inputs: [probabilities] }, [p, targets]) => {
    const [column] = emitter.add("Unsqueeze", [targets!, emitter.ints([-1])]);
    const minusOne = emitter.resolve(scalar(probabilities!.dtype, -1));
    const [shape] = emitter.add("Shape", [column!]);
    const [updates] = emitter.add("Expand", [minusOne, shape!]);
    // One update a row: its indices are distinct, so the adding reduction is safe.
    return emitter.add("ScatterElements", [p!, column!, updates!], { attributes: { axis: -1, reduction: "add" } });
  },
};
