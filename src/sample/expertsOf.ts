/** Numbers of the experts that computed each token, [T][some]: the places where a mask [T, E] holds. */
export const expertsOf = (computed: Uint8Array, experts: number): number[][] =>
  Array.from({ length: computed.length / experts }, (_, token) =>
    Array.from({ length: experts }, (_, expert) => expert).filter((expert) => computed[token * experts + expert] === 1),
  );
