/** Where the tokens of a text stand in lines of a width. */

export interface MapMetrics {
  /** Height of a cell, and the room between two. */
  readonly cell: number;
  readonly gap: number;
  /** Height of the text below the cells. */
  readonly text: number;
  /** At the left, for the layers' numbers. */
  readonly margin: number;
  /** Added to a token's own width. */
  readonly padding: number;
  /** The narrowest column. */
  readonly least: number;
}

export interface Line {
  /** The first token's place in the text. */
  readonly first: number;
  readonly places: readonly { readonly left: number; readonly width: number; readonly text: string }[];
}

/** Fills lines from the left; a token wider than a line is cut. */
export function layOut(
  tokens: readonly string[],
  measure: (text: string) => number,
  width: number,
  { margin, padding, least }: MapMetrics,
): Line[] {
  const room = Math.max(least, width - margin);
  const lines: { first: number; places: { left: number; width: number; text: string }[] }[] = [];
  let left = Number.POSITIVE_INFINITY;
  for (const [i, token] of tokens.entries()) {
    const size = Math.min(room, Math.max(least, Math.ceil(measure(token)) + padding));
    if (left + size > width) {
      lines.push({ first: i, places: [] });
      left = margin;
    }
    lines.at(-1)!.places.push({ left, width: size, text: token });
    left += size;
  }
  return lines;
}
