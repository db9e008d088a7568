import { MICROSOFT } from "../onnx/emitter.ts";
import { applyOne, type Operation } from "../operation.ts";
import { GraphError, staticDim, type Tensor } from "../tensor.ts";
import { add, mul, neg } from "./elementwise.ts";
import { concat, reshape, split } from "./layout.ts";
import { embed } from "./rows.ts";
import { constant } from "./source.ts";

/**
 * Rotary positions (Su et al. 2021): feature pairs (i, i + H/2) of x are rotated by the angle position · base^(−2i/H).
 * x [B, N, T, H], positions int64 [B, T] in [0, length) -> [B, N, T, H].
 */
export function rotary(x: Tensor, positions: Tensor, options: { base: number; length: number }): Tensor {
  return applyOne(rotaryOperation, [x, positions], { ...options, direction: 1 });
}

interface RotaryAttributes {
  readonly base: number;
  readonly length: number;
  /** 1 rotates forward, -1 back: the gradient of a rotation is the rotation back. */
  readonly direction: 1 | -1;
}

/** Cosine and sine tables [length, H/2]. */
function tables(x: Tensor, { base, length, direction }: RotaryAttributes): [Tensor, Tensor] {
  const half = staticDim("rotary", x.shape[3]!) / 2;
  const angle = (i: number) => Math.floor(i / half) * base ** (-(i % half) / half);
  const table = (f: (angle: number) => number) =>
    constant(
      x.dtype,
      [length, half],
      Float64Array.from({ length: length * half }, (_, i) => f(angle(i))),
    );
  return [table(Math.cos), table((a) => direction * Math.sin(a))];
}

const rotaryOperation: Operation<RotaryAttributes> = {
  name: "rotary",
  infer: ([x, positions]) => {
    const [b, , t, h] = x!.shape;
    if (x!.shape.length !== 4 || positions!.shape.join() !== `${b},${t}` || staticDim("rotary", h!) % 2 !== 0) {
      throw new GraphError("rotary", "needs [B, N, T, H] with an even H, and positions [B, T]", [x!, positions!]);
    }
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: ({ inputs: [, positions], attributes }, [dy]) => [
    applyOne(rotaryOperation, [dy!, positions!], { ...attributes, direction: -attributes.direction as 1 | -1 }),
    undefined,
  ],
  emit: (emitter, { inputs: [x], attributes }, [name, positions]) => {
    const [cos, sin] = tables(x!, attributes).map((table) => emitter.resolve(table));
    return emitter.add("RotaryEmbedding", [name!, positions!, cos!, sin!], { domain: MICROSOFT });
  },
  decompose: ([x, positions], attributes) => {
    const [b, , t, h] = x!.shape;
    const half = staticDim("rotary", h!) / 2;
    const [cos, sin] = tables(x!, attributes).map((table) => reshape(embed(table, positions!), [b!, 1, t!, half]));
    const [first, second] = split(x!, [half, half], 3);
    return [concat([add(mul(first!, cos!), neg(mul(second!, sin!))), add(mul(second!, cos!), mul(first!, sin!))], 3)];
  },
};
