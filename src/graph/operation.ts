import type { Emitter } from "./onnx/emitter.ts";
import type { Node, Tensor, TensorType } from "./tensor.ts";

/**
 * All that is known of one kind of node, in one place: its shape rule, its gradient, its cost, and how it is written in ONNX.
 *
 * An operation has `emit` (it is one ONNX operator or a few), or `decompose` (it is a formula of other operations), or both:
 * then `emit` uses an operator that only ONNX Runtime has, for float32, and `decompose` is the standard form.
 */
export interface Operation<A> {
  readonly name: string;
  /** Types of the outputs; throws a `GraphError` that names the operation, the rule and the shapes got. */
  infer(inputs: readonly Tensor[], attributes: A): readonly TensorType[];
  /**
   * Gradients of the inputs, given those of the outputs (undefined: that output does not influence the loss). Undefined for
   * an input: no gradient flows there. An operation without this method stops every gradient.
   */
  gradient?(node: Node, outputGradients: readonly (Tensor | undefined)[]): readonly (Tensor | undefined)[];
  emit?(emitter: Emitter, node: Node, inputs: readonly string[]): readonly string[];
  decompose?(inputs: readonly Tensor[], attributes: A): readonly Tensor[];
  /** Floating-point operations of the matrix products in this node, one multiply-add = 2. Other work counts 0. */
  flops?(node: Node): number;
}

/** Applies an operation: checks the inputs and makes a node with its output tensors. */
export function apply<A>(operation: Operation<A>, inputs: readonly Tensor[], attributes: A): Node {
  const types = operation.infer(inputs, attributes);
  const node: { -readonly [K in keyof Node]: Node[K] } = { operation, inputs, attributes, outputs: [] };
  node.outputs = types.map((type, index) => ({ ...type, node, index }));
  return node;
}

/** `apply` for the common operation of one output. */
export const applyOne = <A>(operation: Operation<A>, inputs: readonly Tensor[], attributes: A): Tensor =>
  apply(operation, inputs, attributes).outputs[0]!;
