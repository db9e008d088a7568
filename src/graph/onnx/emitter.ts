import { bytesOf, type DType, type GraphDefinition, GraphError, type Node, type Tensor } from "../tensor.ts";
import { pendingNodes } from "../traversal.ts";
import { type Attribute, encodeModel, type OnnxGraph, type OnnxNode, type OnnxTensor } from "./protobuf.ts";

/** Domain of the operators that only ONNX Runtime has. */
export const MICROSOFT = "com.microsoft";

export const ONNX_OPSET = 17;

/**
 * Who will run the file: `onnxruntime` may use ONNX Runtime's own fused operators, `standard` keeps to ONNX's operator set so
 * that any ONNX tool can read it.
 */
export type OnnxTarget = "onnxruntime" | "standard";

/** Collects the ONNX nodes of one graph, or of one branch in it; operations write themselves through it. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  /** Constants of the whole graph: branches see those of the graph around them. */
  readonly initializers: OnnxTensor[];
  /** Those that may be asked for again: by name, or by content. */
  readonly #constants: Map<string, OnnxTensor>;
  readonly #names = new Map<Tensor, string>();
  readonly #target: OnnxTarget;
  readonly #outer: Emitter | undefined;
  /** Names given so far, in the whole graph. */
  readonly #count: { value: number };

  constructor(target: OnnxTarget, outer?: Emitter) {
    this.#target = target;
    this.#outer = outer;
    this.initializers = outer ? outer.initializers : [];
    this.#constants = outer ? outer.#constants : new Map();
    this.#count = outer ? outer.#count : { value: 0 };
  }

  /** Adds an ONNX operator and returns the names of its outputs. An empty input name leaves an optional input out. */
  add(
    opType: string,
    inputs: readonly string[],
    options: { attributes?: Record<string, Attribute>; domain?: string; outputs?: number } = {},
  ): string[] {
    const outputs = Array.from({ length: options.outputs ?? 1 }, () => `t${this.#count.value++}`);
    const { attributes = {}, domain = "" } = options;
    this.nodes.push({ opType, domain, inputs, outputs, attributes });
    return outputs;
  }

  /** A constant; small ones that are equal are written once, and so is one with a name of its own. */
  constant(dtype: DType, shape: readonly number[], bytes: Uint8Array, given?: string): string {
    const key = given ?? (bytes.byteLength <= 64 ? `${dtype}:${shape}:${bytes}` : undefined);
    const known = key === undefined ? undefined : this.#constants.get(key);
    if (known !== undefined) {
      if (given === undefined || known.bytes === bytes) return known.name;
      throw new GraphError("constant", `the name "${given}" must be of one constant`, [known, { dtype, shape }]);
    }
    const tensor = { name: given ?? `c${this.initializers.length}`, dtype, shape, bytes };
    this.initializers.push(tensor);
    if (key !== undefined) this.#constants.set(key, tensor);
    return tensor.name;
  }

  /** A one-dimensional int64 constant: shapes, axes, counts. */
  ints(values: readonly number[]): string {
    return this.constant("int64", [values.length], bytesOf(BigInt64Array.from(values, BigInt)));
  }

  /** The graph of one branch of an `If`: all that leads to the given tensors and has no name yet. */
  branch(name: string, ends: readonly Tensor[]): { graph: OnnxGraph } {
    const emitter = new Emitter(this.#target, this);
    const named = ends.map((end) => [`t${this.#count.value++}`, emitter.resolve(end)] as const);
    const outputs = ends.map(({ dtype, shape }, i) => ({ name: named[i]![0], dtype, shape }));
    return { graph: { name, nodes: withOutputNames(emitter.nodes, named), initializers: [], inputs: [], outputs } };
  }

  bind(tensor: Tensor, name: string): void {
    this.#names.set(tensor, name);
  }

  /** The ONNX name of a tensor, after emitting all that leads to it. */
  resolve(tensor: Tensor): string {
    for (const node of pendingNodes([tensor], (t) => this.#nameOf(t) !== undefined)) this.#emit(node);
    return this.#nameOf(tensor)!;
  }

  #nameOf(tensor: Tensor): string | undefined {
    const own = this.#names.get(tensor);
    return own === undefined && this.#outer !== undefined ? this.#outer.#nameOf(tensor) : own;
  }

  #emit(node: Node): void {
    const { operation } = node;
    const fused = this.#target === "onnxruntime" && node.outputs[0]!.dtype !== "float64";
    let names: readonly string[];
    if (operation.emit !== undefined && (fused || operation.decompose === undefined)) {
      names = operation.emit(
        this,
        node,
        node.inputs.map((input) => this.#nameOf(input)!),
      );
    } else if (operation.decompose !== undefined) {
      names = operation.decompose(node.inputs, node.attributes).map((tensor) => this.resolve(tensor));
    } else {
      throw new GraphError(operation.name, "a graph input must be listed in the definition", node.outputs);
    }
    node.outputs.forEach((output, i) => {
      this.bind(output, names[i]!);
    });
  }
}

/** Writes a graph as the bytes of an ONNX model (opset 17; `com.microsoft` operators unless the target is `standard`). */
export function toOnnx(definition: GraphDefinition, options: { target?: OnnxTarget } = {}): Uint8Array {
  const emitter = new Emitter(options.target ?? "onnxruntime");
  const value = ([name, { dtype, shape }]: [string, Tensor]) => ({ name, dtype, shape });
  for (const [name, tensor] of Object.entries(definition.inputs)) emitter.bind(tensor, name);
  const ends = Object.entries(definition.outputs).map(([name, tensor]) => [name, emitter.resolve(tensor)] as const);
  const nodes = withOutputNames(emitter.nodes, ends);
  return encodeModel({
    name: definition.name,
    nodes,
    initializers: emitter.initializers,
    inputs: Object.entries(definition.inputs).map(value),
    outputs: Object.entries(definition.outputs).map(value),
    opsets: { "": ONNX_OPSET, ...(usesMicrosoft(nodes) ? { [MICROSOFT]: 1 } : {}) },
  });
}

const usesMicrosoft = (nodes: readonly OnnxNode[]): boolean =>
  nodes.some(
    ({ domain, attributes }) =>
      domain === MICROSOFT ||
      Object.values(attributes).some(
        (value) => typeof value === "object" && "graph" in value && usesMicrosoft(value.graph.nodes),
      ),
  );

/**
 * Gives results their public names where they are made. Only a result that no node makes (an input, a constant) or that has a
 * public name already takes an Identity, which is a copy: ONNX Runtime keeps those that end in an output.
 */
function withOutputNames(nodes: readonly OnnxNode[], ends: readonly (readonly [string, string])[]): OnnxNode[] {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const names = new Map<string, string>();
  const copies: OnnxNode[] = [];
  for (const [name, internal] of ends) {
    if (made.has(internal) && !names.has(internal)) names.set(internal, name);
    else copies.push({ opType: "Identity", domain: "", inputs: [internal], outputs: [name], attributes: {} });
  }
  return [...nodes, ...copies].map((node) => renamed(node, (name) => names.get(name) ?? name));
}

/** A node with other names for what it reads and makes, in its branches too. */
function renamed(node: OnnxNode, rename: (name: string) => string): OnnxNode {
  const attributes = Object.entries(node.attributes).map(([key, value]) => {
    if (typeof value !== "object" || !("graph" in value)) return [key, value] as const;
    return [
      key,
      { graph: { ...value.graph, nodes: value.graph.nodes.map((inner) => renamed(inner, rename)) } },
    ] as const;
  });
  return {
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
    attributes: Object.fromEntries(attributes),
  };
}
