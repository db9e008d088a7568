/** The training step in TensorFlow.js, on its WebAssembly backend: the dense model, forward, backward, clipping, AdamW. */
import { getThreadsCount, setThreadsCount, setWasmPaths, version_wasm } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import { answerWith, OPTIMIZER, parametersOf, type StepQuestion, tokensOf } from "../../browser/protocol.ts";

type Tensors = Record<string, tf.Tensor>;

answerWith(async (question) => {
  const { model, batchSize: B, threads, assets } = question;
  setWasmPaths(assets);
  setThreadsCount(threads);
  await tf.setBackend("wasm");
  await tf.ready();
  const specs = parametersOf(model);
  let values: Tensors = Object.fromEntries(
    [...specs].map(([name, { data, shape }]) => [name, tf.tensor(data.slice(), [...shape])]),
  );
  const zeros = () => Object.fromEntries([...specs].map(([name, { shape }]) => [name, tf.zeros([...shape])]));
  let [first, second]: [Tensors, Tensors] = [zeros(), zeros()];
  const names = [...specs.keys()];
  const oneHot = tf.cast(
    tf.oneHot(tf.tensor1d(tokensOf(question), "int32"), model.vocabSize),
    "float32",
  ) as tf.Tensor2D;
  const tables = rotaryTables(model.seqLen, model.dModel / model.nHead, model.rotaryBase);
  const mask = causalMask(model.seqLen);
  const forward = (...list: tf.Tensor[]) =>
    loss(
      Object.fromEntries(names.map((name, i) => [name, list[i]!])),
      oneHot,
      { ...tables, mask },
      { ...question, batchSize: B },
    );
  const differentiate = tf.valueAndGrads(forward as (...list: tf.Tensor[]) => tf.Scalar);
  return {
    version: version_wasm,
    threads: getThreadsCount(),
    step: async (step) => {
      const [lm, next] = tf.tidy(() => {
        const { value, grads } = differentiate(names.map((name) => values[name]!));
        return [value, adamW(names, values, first, second, grads, step)] as const;
      }) as unknown as readonly [tf.Scalar, [Tensors, Tensors, Tensors]];
      tf.dispose([values, first, second]);
      [values, first, second] = next;
      const [result] = await lm.data();
      lm.dispose();
      return result!;
    },
  };
});

interface Constants {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
  readonly mask: tf.Tensor;
}

/** Mean negative log likelihood; oneHot [B·T, V] of inputs, which are the targets too. */
function loss(p: Tensors, oneHot: tf.Tensor2D, constants: Constants, { model, batchSize: B }: StepQuestion): tf.Scalar {
  const { seqLen: T, dModel: D, nLayer } = model;
  let x = tf.matMul(oneHot, p.embedding!); // [B·T, D]
  for (let i = 0; i < nLayer; i++) {
    const of = (name: string) => p[`layers.${i}.${name}`]!;
    const normed = rmsNorm(x, of("attentionNorm"));
    x = tf.add(x, attention(normed, of("attention.qkv"), of("attention.output"), constants, [B, T, D, model.nHead]));
    const hidden = tf.relu(tf.matMul(rmsNorm(x, of("feedForwardNorm")), of("feedForward.up")));
    x = tf.add(x, tf.matMul(tf.mul(hidden, hidden), of("feedForward.down")));
  }
  const logits = tf.matMul(rmsNorm(x, p.finalNorm!), p.head!);
  return tf.mul(tf.sum(tf.mul(tf.logSoftmax(logits, -1), oneHot)), -1 / (B * T));
}

function rmsNorm<X extends tf.Tensor>(x: X, gain: tf.Tensor): X {
  const scale = tf.sqrt(tf.add(tf.mean(tf.mul(x, x), -1, true), 1e-5));
  return tf.mul(tf.div(x, scale), gain);
}

function rotaryTables(T: number, H: number, base: number) {
  const half = H / 2;
  const angles = Float32Array.from({ length: T * half }, (_, i) => Math.floor(i / half) * base ** (-(i % half) / half));
  const table = (f: (x: number) => number) => tf.tensor(angles.map(f), [1, 1, T, half]);
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

const causalMask = (T: number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e30 : 0)),
    [1, 1, T, T],
  );

function rotary(x: tf.Tensor, { cos, sin }: Constants): tf.Tensor {
  const [a, b] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1);
}

function attention(
  x: tf.Tensor,
  qkv: tf.Tensor,
  output: tf.Tensor,
  constants: Constants,
  [B, T, D, heads]: readonly [number, number, number, number],
): tf.Tensor {
  const parts = tf.split(tf.matMul(x, qkv), 3, -1);
  const [q, k, v] = parts.map((part) => tf.transpose(tf.reshape(part, [B, T, heads, D / heads]), [0, 2, 1, 3])) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const scores = tf.mul(tf.matMul(rotary(q, constants), rotary(k, constants), false, true), (D / heads) ** -0.5);
  const mixed = tf.matMul(tf.softmax(tf.add(scores, constants.mask), -1), v);
  return tf.matMul(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [B * T, D]), output);
}

/** Values and moments after an update by AdamW with clipping by global norm. */
function adamW(
  names: readonly string[],
  values: Tensors,
  first: Tensors,
  second: Tensors,
  gradients: readonly tf.Tensor[],
  step: number,
): [Tensors, Tensors, Tensors] {
  const { rate, beta1, beta2, epsilon, decay, clip } = OPTIMIZER;
  const correction = Math.sqrt(1 - beta2 ** step);
  const squares = gradients.map((gradient) => tf.sum(tf.mul(gradient, gradient)));
  const norm = tf.sqrt(squares.reduce((a, b) => tf.add(a, b)));
  const factor = tf.minimum(tf.div(clip, tf.add(norm, 1e-6)), 1);
  const next: [Tensors, Tensors, Tensors] = [{}, {}, {}];
  for (const [i, name] of names.entries()) {
    const g = tf.mul(gradients[i]!, factor);
    const m = tf.add(tf.mul(first[name]!, beta1), tf.mul(g, 1 - beta1));
    const v = tf.add(tf.mul(second[name]!, beta2), tf.mul(tf.mul(g, g), 1 - beta2));
    const size = (rate * correction) / (1 - beta1 ** step);
    const change = tf.div(tf.mul(m, size), tf.add(tf.sqrt(v), epsilon * correction));
    const decays = values[name]!.rank === 2 && name !== "embedding";
    next[0][name] = tf.sub(decays ? tf.mul(values[name]!, 1 - rate * decay) : values[name]!, change);
    next[1][name] = m;
    next[2][name] = v;
  }
  return next;
}
