import {
  add,
  concat,
  div,
  type GraphDefinition,
  input,
  minimum,
  mul,
  reshape,
  scalar,
  sqrt,
  sub,
  sum,
  sumOfSquares,
  type Tensor,
} from "../graph/index.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterInputs } from "../model/parameterInputs.ts";
import { type ParameterSpec, parameterList } from "../model/parameters.ts";
import { STATE_KINDS } from "./graphs.ts";
import { GRADIENT_GROUPS, gradientGroup, type OptimizerConfig } from "./optimizer.ts";

/**
 * AdamW as a graph, for a device whose memory the state does not leave; elsewhere the update is a loop (updateMemory.ts).
 *
 * Inputs: `value.NAME`, `firstMoment.NAME`, `secondMoment.NAME` and `gradient.NAME` for each parameter, and the scalars
 * `learningRate`, `stepSize` and `epsilon` of `stepScalars`. Outputs: `next.` before the first three kinds, and `squares` [2], the
 * sum of squares of each group's gradients.
 */
export function updateGraph(model: ModelConfig, config: OptimizerConfig): GraphDefinition {
  const specs = parameterList(model);
  const kinds = [...STATE_KINDS, "gradient"] as const;
  const inputs: Record<string, Tensor> = Object.assign(
    {},
    ...kinds.map((kind) => parameterInputs(specs, kind, "float32")),
  );
  const scalars = { learningRate: input("float32", []), stepSize: input("float32", []), epsilon: input("float32", []) };
  const of = (kind: (typeof kinds)[number], { name }: ParameterSpec) => inputs[`${kind}.${name}`]!;
  const squares = GRADIENT_GROUPS.map((group) =>
    specs
      .filter((spec) => gradientGroup(spec) === group)
      .map((spec) => allSquares(of("gradient", spec)))
      .reduce((a, b) => add(a, b), scalar("float32", 0)),
  );
  const clips = squares.map((square) => clipFactor(square, config));
  const next = specs.flatMap((spec) => {
    const state = { value: of("value", spec), m: of("firstMoment", spec), v: of("secondMoment", spec) };
    const clip = clips[GRADIENT_GROUPS.indexOf(gradientGroup(spec))]!;
    const { value, m, v } = updated(spec, state, of("gradient", spec), clip, scalars, config);
    return [
      [`next.value.${spec.name}`, value],
      [`next.firstMoment.${spec.name}`, m],
      [`next.secondMoment.${spec.name}`, v],
    ] as const;
  });
  return {
    name: "update",
    inputs: { ...inputs, ...scalars },
    outputs: {
      squares: concat(
        squares.map((square) => reshape(square, [1])),
        0,
      ),
      ...Object.fromEntries(next),
    },
  };
}

/** Σ x² as a scalar: rows first, so that many threads have work. */
const allSquares = (x: Tensor): Tensor => (x.shape.length < 2 ? sumOfSquares(x) : sum(sumOfSquares(x, [-1])));

/** min(1, clipNorm / norm), as a scalar; undefined where nothing is clipped. */
function clipFactor(square: Tensor, { clipNorm }: OptimizerConfig): Tensor | undefined {
  if (clipNorm === null) return undefined;
  return minimum(div(scalar("float32", clipNorm), add(sqrt(square), 1e-6)), scalar("float32", 1));
}

function updated(
  spec: ParameterSpec,
  { value, m: oldM, v: oldV }: { readonly value: Tensor; readonly m: Tensor; readonly v: Tensor },
  gradient: Tensor,
  clip: Tensor | undefined,
  scalars: Readonly<Record<"learningRate" | "stepSize" | "epsilon", Tensor>>,
  { beta1, beta2, weightDecay, decay, routerRate }: OptimizerConfig,
) {
  const { learningRate, stepSize, epsilon } = scalars;
  const rate = spec.role === "router" ? routerRate : 1;
  // Scalars are joined before they meet a tensor: every operation on a tensor is a pass over memory.
  const clipped = (power: Tensor | undefined, rest: number) => (power === undefined ? rest : mul(power, rest));
  const m = add(mul(oldM, beta1), mul(gradient, clipped(clip, 1 - beta1)));
  const v = add(mul(oldV, beta2), mul(mul(gradient, gradient), clipped(clip && mul(clip, clip), 1 - beta2)));
  const decays = weightDecay > 0 && decay.includes(spec.role);
  const kept = decays ? mul(value, sub(1, mul(learningRate, rate * weightDecay))) : value;
  return { value: sub(kept, div(mul(m, mul(stepSize, rate)), add(sqrt(v), epsilon))), m, v };
}
