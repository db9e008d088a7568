import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { DType, Shape } from "../tensor.ts";

/**
 * The part of the ONNX file format that a graph of ours needs (onnx.proto of the ONNX project, IR version 8), written field
 * by field. Numbers below are that schema's field numbers and enumeration values.
 */

export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly graph: OnnxGraph };

export interface OnnxNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface OnnxTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major, little-endian. */
  readonly bytes: Uint8Array;
}

export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

export interface OnnxModel extends OnnxGraph {
  /** Version by operator domain; "" is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
}

const IR_VERSION = 8;
/** ONNX's number of each element type. */
export const ELEMENT_TYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, graph: 5, ints: 7 };

type Write = (writer: BinaryWriter) => void;

const bytesField = (writer: BinaryWriter, field: number, value: Uint8Array) =>
  writer.tag(field, WireType.LengthDelimited).bytes(value);
const stringField = (writer: BinaryWriter, field: number, value: string) =>
  writer.tag(field, WireType.LengthDelimited).string(value);
const intField = (writer: BinaryWriter, field: number, value: number) =>
  writer.tag(field, WireType.Varint).int64(value);

function messageField(writer: BinaryWriter, field: number, write: Write): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

function writeAttribute(writer: BinaryWriter, name: string, value: Attribute): void {
  stringField(writer, 1, name);
  if (typeof value === "number") {
    intField(writer, 3, value);
    intField(writer, 20, ATTRIBUTE_TYPE.int);
  } else if (typeof value === "string") {
    stringField(writer, 4, value);
    intField(writer, 20, ATTRIBUTE_TYPE.string);
  } else if ("float" in value) {
    writer.tag(2, WireType.Bit32).float(value.float);
    intField(writer, 20, ATTRIBUTE_TYPE.float);
  } else if ("graph" in value) {
    messageField(writer, 6, (w) => writeGraph(w, value.graph));
    intField(writer, 20, ATTRIBUTE_TYPE.graph);
  } else {
    for (const item of value) intField(writer, 8, item);
    intField(writer, 20, ATTRIBUTE_TYPE.ints);
  }
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) stringField(writer, 1, input);
  for (const output of node.outputs) stringField(writer, 2, output);
  stringField(writer, 4, node.opType);
  for (const [name, value] of Object.entries(node.attributes)) {
    messageField(writer, 5, (w) => writeAttribute(w, name, value));
  }
  if (node.domain !== "") stringField(writer, 7, node.domain);
}

function writeTensor(writer: BinaryWriter, tensor: OnnxTensor): void {
  for (const dim of tensor.shape) intField(writer, 1, dim);
  intField(writer, 2, ELEMENT_TYPE[tensor.dtype]);
  stringField(writer, 8, tensor.name);
  bytesField(writer, 9, tensor.bytes);
}

function writeValue(writer: BinaryWriter, value: OnnxValue): void {
  stringField(writer, 1, value.name);
  messageField(writer, 2, (type) =>
    messageField(type, 1, (tensor) => {
      intField(tensor, 1, ELEMENT_TYPE[value.dtype]);
      messageField(tensor, 2, (shape) => {
        for (const dim of value.shape) {
          messageField(shape, 1, (d) => (typeof dim === "number" ? intField(d, 1, dim) : stringField(d, 2, dim)));
        }
      });
    }),
  );
}

function writeGraph(writer: BinaryWriter, graph: OnnxGraph): void {
  for (const node of graph.nodes) messageField(writer, 1, (w) => writeNode(w, node));
  stringField(writer, 2, graph.name);
  for (const tensor of graph.initializers) messageField(writer, 5, (w) => writeTensor(w, tensor));
  for (const value of graph.inputs) messageField(writer, 11, (w) => writeValue(w, value));
  for (const value of graph.outputs) messageField(writer, 12, (w) => writeValue(w, value));
}

/** The bytes of an `.onnx` file. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const writer = new BinaryWriter();
  intField(writer, 1, IR_VERSION);
  stringField(writer, 2, "mixture-of-depths");
  messageField(writer, 7, (w) => writeGraph(w, model));
  for (const [domain, version] of Object.entries(model.opsets)) {
    messageField(writer, 8, (w) => {
      stringField(w, 1, domain);
      intField(w, 2, version);
    });
  }
  return writer.finish();
}
