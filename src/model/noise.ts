import { hashText, normal } from "../random.ts";

/** What one draw of router weights depends on, besides the layer and the position. */
export interface NoiseKey {
  readonly seed: number;
  /** Number of the sequence: step · batch + row while training, number of the window while evaluating. */
  readonly sequence: number;
}

const STREAM = hashText("routing noise");

/**
 * Router weights of random routing: N(0, 1) as a pure function of seed, sequence, layer and position, so that a resumed run
 * draws the same, and a longer text the same for its beginning. Row-major [B, T, routed layers], for T tokens from position
 * `start` on.
 */
export function routingNoise(keys: readonly NoiseKey[], tokens: number, nRouted: number, start = 0): Float32Array {
  const noise = new Float32Array(keys.length * tokens * nRouted);
  let i = 0;
  for (const { seed, sequence } of keys) {
    for (let position = start; position < start + tokens; position++) {
      for (let layer = 0; layer < nRouted; layer++) noise[i++] = normal(STREAM, seed, sequence, layer, position);
    }
  }
  return noise;
}
