import { gelu, matmul, mul, silu, squaredRelu, type Tensor } from "../graph/index.ts";
import type { MlpKind } from "./config.ts";
import type { MlpWeights } from "./parameters.ts";

/**
 * An MLP, x [..., D] -> [..., D]: down·φ(up·x), or for SwiGLU down·(silu(gate·x)·up·x). With weights [E, D, F] it is one for each
 * part of x [E, rows, D].
 */
export function feedForward(parameters: MlpWeights<Tensor>, x: Tensor, kind: MlpKind): Tensor {
  return matmul(hidden(parameters, x, kind), parameters.down);
}

function hidden(parameters: MlpWeights<Tensor>, x: Tensor, kind: MlpKind): Tensor {
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
