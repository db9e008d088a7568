import { keepable, pieceEnd } from "./pretokenize.ts";

/** Distinct pieces kept at most: about 500 MB. Only corpora of many gigabytes reach it. */
const MAX_DISTINCT_PIECES = 4_000_000;

export interface ReadingProgress {
  readonly phase: "reading";
  readonly texts: number;
  /** UTF-16 units read so far. */
  readonly characters: number;
}

/** Drops the rarest pieces until half of the room is free; the outcome depends on the order of the texts alone. */
function forgetRarest(counts: Map<string, number>, limit: number): void {
  for (let rare = 1; counts.size > limit / 2; rare *= 2) {
    for (const [piece, count] of counts) if (count <= rare) counts.delete(piece);
  }
}

/**
 * How often each pre-tokenised piece occurs in the texts. Beyond `limit` distinct pieces the rarest so far are
 * forgotten, so that memory stays bounded.
 */
export async function countPieces(
  texts: AsyncIterable<string> | Iterable<string>,
  onProgress?: (progress: ReadingProgress) => void,
  limit = MAX_DISTINCT_PIECES,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let read = 0;
  let characters = 0;
  for await (const text of texts) {
    for (let i = 0; i < text.length; ) {
      const end = pieceEnd(text, i);
      const piece = text.slice(i, end);
      const count = counts.get(piece);
      if (count === undefined) counts.set(keepable(piece), 1);
      else counts.set(piece, count + 1);
      i = end;
    }
    if (counts.size > limit) forgetRarest(counts, limit);
    read++;
    characters += text.length;
    onProgress?.({ phase: "reading", texts: read, characters });
  }
  return counts;
}
