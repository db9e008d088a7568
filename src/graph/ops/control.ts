import { apply, type Operation } from "../operation.ts";
import { formatType, GraphError, type Tensor } from "../tensor.ts";

/**
 * The tensors of `then` where the condition holds, else those of `otherwise`; only the branch that is taken runs. Both
 * branches may use any tensor of the graph. No gradient, and its FLOPs are not counted: they depend on the condition.
 *
 * @param condition bool, one element
 * @param before what the branches use and what is computed whichever is taken; all else that only a branch needs is part of it
 * @param then of the same types as `otherwise`; a dimension that differs from run to run, or between branches, is symbolic
 */
export function ifElse(
  condition: Tensor,
  before: readonly Tensor[],
  then: readonly Tensor[],
  otherwise: readonly Tensor[],
): readonly Tensor[] {
  return apply(ifElseOperation, [condition, ...before], { then, otherwise }).outputs;
}

interface Branches {
  readonly then: readonly Tensor[];
  readonly otherwise: readonly Tensor[];
}

const ifElseOperation: Operation<Branches> = {
  name: "ifElse",
  infer: ([condition], { then, otherwise }) => {
    if (condition!.dtype !== "bool" || condition!.shape.some((dim) => dim !== 1)) {
      throw new GraphError("ifElse", "the condition must be one bool", [condition!]);
    }
    const types = (tensors: readonly Tensor[]) => tensors.map(formatType).join();
    if (types(then) !== types(otherwise)) {
      throw new GraphError("ifElse", "both branches must give the same types", [...then, ...otherwise]);
    }
    return then.map(({ dtype, shape }) => ({ dtype, shape }));
  },
  emit: (emitter, { attributes: { then, otherwise } }, [condition]) =>
    emitter.add("If", [condition!], {
      attributes: { then_branch: emitter.branch("then", then), else_branch: emitter.branch("else", otherwise) },
      outputs: then.length,
    }),
};
