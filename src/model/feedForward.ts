import { gelu, matmul, mul, silu, squaredRelu, type Tensor } from "../graph/index.ts";
import type { MlpKind } from "./config.ts";
import type { FeedForwardParameters } from "./parameters.ts";

/** The MLP of a block, x [B, T, D] -> [B, T, D]: down·φ(up·x), or for SwiGLU down·(silu(gate·x)·up·x). */
export function feedForward(parameters: FeedForwardParameters<Tensor>, x: Tensor, kind: MlpKind): Tensor {
  return matmul(hidden(parameters, x, kind), parameters.down);
}

function hidden(parameters: FeedForwardParameters<Tensor>, x: Tensor, kind: MlpKind): Tensor {
  const up = matmul(x, parameters.up); // [B, T, F]
  switch (kind) {
    case "squaredRelu":
      return squaredRelu(up);
    case "gelu":
      return gelu(up);
    case "swiglu":
      return mul(silu(matmul(x, parameters.gate!)), up);
  }
}
