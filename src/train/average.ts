import { add, mul, type Tensor } from "../graph/index.ts";

/** The mean of scalars of several layers. */
export const average = (scalars: readonly Tensor[]): Tensor =>
  mul(
    scalars.reduce((a, b) => add(a, b)),
    1 / scalars.length,
  );
