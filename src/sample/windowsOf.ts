/** Stretches of at most `size` of a text that is read piece by piece; one empty stretch for an empty text. */
export function windowsOf(ids: readonly number[], size: number): (readonly number[])[] {
  const count = Math.max(1, Math.ceil(ids.length / Math.max(1, size)));
  return Array.from({ length: count }, (_, i) => ids.slice(i * size, (i + 1) * size));
}
