/** The graph compiler: symbolic tensors, operations with their gradients, differentiation, ONNX, FLOP count. */
export { countFlops } from "./countFlops.ts";
export { differentiate } from "./differentiate.ts";
export { type OnnxTarget, toOnnx } from "./onnx/emitter.ts";
export * from "./ops/activation.ts";
export * from "./ops/attention.ts";
export * from "./ops/broadcast.ts";
export * from "./ops/control.ts";
export * from "./ops/elementwise.ts";
export * from "./ops/layout.ts";
export * from "./ops/linear.ts";
export * from "./ops/norm.ts";
export * from "./ops/order.ts";
export * from "./ops/quantized.ts";
export * from "./ops/rotary.ts";
export * from "./ops/rowSets.ts";
export * from "./ops/rows.ts";
export * from "./ops/softmax.ts";
export * from "./ops/source.ts";
export {
  ARRAY_TYPE,
  type Dim,
  type DType,
  type GraphDefinition,
  GraphError,
  isFloat,
  multiplyDims,
  type Shape,
  staticDim,
  staticSize,
  type Tensor,
  type TensorType,
} from "./tensor.ts";
