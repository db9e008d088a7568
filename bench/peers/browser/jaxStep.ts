/**
 * The training step in jax-js, on WebAssembly: the dense model, forward, backward, clipping, AdamW, in one jit. An array is used
 * up by what takes it; `.ref` keeps it for another use.
 */
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { answerWith, OPTIMIZER, parametersOf, type StepQuestion, tokensOf } from "../../browser/protocol.ts";
import about from "./node_modules/@jax-js/jax/package.json" with { type: "json" };

type Arrays = Record<string, np.Array>;

answerWith(async (question) => {
  await init("wasm");
  defaultDevice("wasm");
  const { model, batchSize: B } = question;
  const specs = parametersOf(model);
  const toArray = (data: Float32Array, shape: readonly number[]) => np.array(data.slice()).reshape([...shape]);
  let values: Arrays = Object.fromEntries([...specs].map(([name, { data, shape }]) => [name, toArray(data, shape)]));
  const zeros = (): Arrays => Object.fromEntries([...specs].map(([name, { shape }]) => [name, np.zeros([...shape])]));
  let [first, second] = [zeros(), zeros()];
  const oneHot = nn.oneHot(
    np.array(tokensOf(question), { dtype: np.int32 }).reshape([B * model.seqLen]),
    model.vocabSize,
  );
  const differentiate = valueAndGrad((p: Arrays, x: np.Array) => loss(p, x, question));
  const update = jit((p: Arrays, m: Arrays, v: Arrays, x: np.Array, stepSize: np.Array, epsilon: np.Array) => {
    const [lm, gradients] = differentiate(tree.ref(p), x) as [np.Array, Arrays];
    return [lm, ...adamW(p, m, v, gradients, stepSize, epsilon)];
  });
  return {
    version: about.version,
    threads: null,
    step: async (step) => {
      const { stepSize, epsilon } = scalarsOf(step);
      const results = update(values, first, second, oneHot.ref, np.array(stepSize), np.array(epsilon)) as [
        np.Array,
        Arrays,
        Arrays,
        Arrays,
      ];
      [, values, first, second] = results;
      await blockUntilReady(values.embedding!);
      return results[0].item();
    },
  };
});

function scalarsOf(step: number) {
  const { rate, beta1, beta2, epsilon } = OPTIMIZER;
  const correction = Math.sqrt(1 - beta2 ** step);
  return { stepSize: (rate * correction) / (1 - beta1 ** step), epsilon: epsilon * correction };
}

/** Mean negative log likelihood; oneHot [B·T, V] of inputs, which are the targets too. */
function loss(p: Arrays, oneHot: np.Array, { model, batchSize: B }: StepQuestion): np.Array {
  const { seqLen: T, dModel: D, nLayer } = model;
  let x = np.matmul(oneHot.ref, p.embedding!).reshape([B, T, D]);
  const tables = rotaryTables(T, D / model.nHead, model.rotaryBase);
  const mask = np.triu(np.full([T, T], -1e30), 1);
  for (let i = 0; i < nLayer; i++) {
    const of = (name: string) => p[`layers.${i}.${name}`]!;
    const attended = attention(rmsNorm(x.ref, of("attentionNorm")), of("attention.qkv"), of("attention.output"), {
      ...{ heads: model.nHead, cos: tables.cos.ref, sin: tables.sin.ref, mask: mask.ref },
    });
    x = x.add(attended);
    const hidden = nn.relu(np.matmul(rmsNorm(x.ref, of("feedForwardNorm")), of("feedForward.up")));
    x = x.add(np.matmul(np.square(hidden), of("feedForward.down")));
  }
  for (const array of [tables.cos, tables.sin, mask]) array.dispose();
  const logits = np.matmul(rmsNorm(x, p.finalNorm!), p.head!).reshape([B * T, model.vocabSize]);
  const logP = nn.logSoftmax(logits, -1);
  return logP
    .mul(oneHot)
    .sum()
    .mul(-1 / (B * T));
}

function rmsNorm(x: np.Array, gain: np.Array): np.Array {
  const scale = np.sqrt(np.square(x.ref).mean(-1, { keepdims: true }).add(1e-5));
  return x.div(scale).mul(gain);
}

function rotaryTables(T: number, H: number, base: number) {
  const half = H / 2;
  const angles = Float32Array.from({ length: T * half }, (_, i) => Math.floor(i / half) * base ** (-(i % half) / half));
  const table = (f: (x: number) => number) => np.array(angles.map(f)).reshape([1, 1, T, half]);
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

function rotary(x: np.Array, cos: np.Array, sin: np.Array): np.Array {
  const [a, b] = np.split(x, 2, -1) as [np.Array, np.Array];
  const first = a.ref.mul(cos.ref).sub(b.ref.mul(sin.ref));
  return np.concatenate([first, b.mul(cos).add(a.mul(sin))], -1);
}

interface AttentionTools {
  readonly heads: number;
  readonly cos: np.Array;
  readonly sin: np.Array;
  readonly mask: np.Array;
}

function attention(x: np.Array, qkv: np.Array, output: np.Array, { heads, cos, sin, mask }: AttentionTools): np.Array {
  const [B, T, D] = x.shape as [number, number, number];
  const parts = np.split(np.matmul(x, qkv), 3, -1) as [np.Array, np.Array, np.Array];
  const [q, k, v] = parts.map((part) => np.transpose(part.reshape([B, T, heads, D / heads]), [0, 2, 1, 3])) as [
    np.Array,
    np.Array,
    np.Array,
  ];
  const [turnedQ, turnedK] = [rotary(q, cos.ref, sin.ref), rotary(k, cos, sin)];
  const scores = np.matmul(turnedQ, np.transpose(turnedK, [0, 1, 3, 2])).mul((D / heads) ** -0.5);
  const mixed = np.matmul(nn.softmax(scores.add(mask), -1), v);
  return np.matmul(np.transpose(mixed, [0, 2, 1, 3]).reshape([B, T, D]), output);
}

/** Values and moments after an update by AdamW with clipping by global norm. */
function adamW(
  p: Arrays,
  m: Arrays,
  v: Arrays,
  gradients: Arrays,
  stepSize: np.Array,
  epsilon: np.Array,
): [Arrays, Arrays, Arrays] {
  const { rate, beta1, beta2, decay, clip } = OPTIMIZER;
  const squares = Object.values(gradients).map((gradient) => np.square(gradient.ref).sum());
  const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
  const factor = np.minimum(np.reciprocal(norm.add(1e-6)).mul(clip), 1);
  const next: [Arrays, Arrays, Arrays] = [{}, {}, {}];
  for (const [name, gradient] of Object.entries(gradients)) {
    const g = gradient.mul(factor.ref);
    const newM = m[name]!.mul(beta1).add(g.ref.mul(1 - beta1));
    const newV = v[name]!.mul(beta2).add(np.square(g).mul(1 - beta2));
    const change = newM.ref.mul(stepSize.ref).div(np.sqrt(newV.ref).add(epsilon.ref));
    const decays = p[name]!.shape.length === 2 && name !== "embedding";
    next[0][name] = p[name]!.mul(decays ? 1 - rate * decay : 1).sub(change);
    next[1][name] = newM;
    next[2][name] = newV;
  }
  for (const array of [factor, stepSize, epsilon]) array.dispose();
  return next;
}
