import type { Node, Tensor } from "./tensor.ts";

/**
 * The nodes that `ends` depend on and that `known` does not hold yet, each after its inputs. Iterative: a training graph is
 * thousands of nodes deep.
 */
export function pendingNodes(ends: readonly Tensor[], known: (tensor: Tensor) => boolean = () => false): Node[] {
  const order: Node[] = [];
  const visited = new Set<Node>();
  const stack: { node: Node; expanded: boolean }[] = ends
    .filter((end) => !known(end))
    .map((end) => ({ node: end.node, expanded: false }))
    .reverse();
  while (stack.length > 0) {
    const { node, expanded } = stack.pop()!;
    if (expanded) order.push(node);
    else if (!visited.has(node)) {
      visited.add(node);
      stack.push({ node, expanded: true });
      for (let i = node.inputs.length - 1; i >= 0; i--) {
        const input = node.inputs[i]!;
        if (!visited.has(input.node) && !known(input)) stack.push({ node: input.node, expanded: false });
      }
    }
  }
  return order;
}
