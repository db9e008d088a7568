import { add } from "./ops/elementwise.ts";
import { addAtRows, asSpreadRows } from "./ops/rows.ts";
import { scalar } from "./ops/source.ts";
import { GraphError, isFloat, type Node, type Tensor } from "./tensor.ts";
import { pendingNodes } from "./traversal.ts";

/**
 * Reverse-mode differentiation: the gradient of a scalar with respect to each tensor of `wrt`, as new tensors of the graph.
 *
 * @throws GraphError if the loss is not a float scalar, or does not depend on one of the tensors.
 */
export function differentiate(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0 || !isFloat(loss.dtype)) {
    throw new GraphError("differentiate", "the loss must be a float scalar", [loss]);
  }
  const order = pendingNodes([loss]);
  const wanted = new Set(wrt);
  const relevant = nodesBetween(order, wanted);
  const gradients = new Map<Tensor, Tensor>([[loss, scalar(loss.dtype, 1)]]);
  for (const node of order.reverse()) {
    if (!relevant.has(node) || node.operation.gradient === undefined) continue;
    const outputGradients = node.outputs.map((output) => gradients.get(output));
    if (outputGradients.every((gradient) => gradient === undefined)) continue;
    node.operation.gradient(node, outputGradients).forEach((gradient, i) => {
      const input = node.inputs[i]!;
      if (gradient === undefined || !(relevant.has(input.node) || wanted.has(input))) return;
      const earlier = gradients.get(input);
      gradients.set(input, earlier === undefined ? gradient : accumulate(earlier, gradient));
    });
  }
  return wrt.map((tensor) => {
    const gradient = gradients.get(tensor);
    if (gradient === undefined) throw new GraphError("differentiate", "the loss must depend on each tensor", [tensor]);
    return gradient;
  });
}

/** Nodes of which some input leads back to a wanted tensor: no others need a gradient. */
function nodesBetween(order: readonly Node[], wanted: ReadonlySet<Tensor>): Set<Node> {
  const relevant = new Set<Node>();
  for (const node of order) {
    if (node.inputs.some((input) => wanted.has(input) || relevant.has(input.node))) relevant.add(node);
  }
  return relevant;
}

/** The sum of two gradients; rows spread over zeros are added in place instead of as a whole tensor. */
function accumulate(a: Tensor, b: Tensor): Tensor {
  const [spread, whole] = asSpreadRows(a) ? [asSpreadRows(a)!, b] : [asSpreadRows(b), a];
  return spread === undefined ? add(a, b) : addAtRows(whole, spread.rows, spread.values);
}
