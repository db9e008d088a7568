import { bytesToAlphabet } from "./byteAlphabet.ts";
import type { Merge } from "./mergePiece.ts";
import { PairHeap } from "./pairHeap.ts";
import { PairTable } from "./pairTable.ts";
import { utf8Bytes } from "./utf8.ts";

/** Pieces are cut after this many bytes for counting: each merge scans the pieces it occurs in. */
const MAX_PIECE_BYTES = 1024;
/** A pair that occurs once is not merged: it would memorise its place and shorten nothing else. */
const MIN_PAIR_COUNT = 2;
/** Heap order of equal counts: `left * ID_LIMIT + right`, exact in a double. */
const ID_LIMIT = 2 ** 26;

export interface LearnedMerges {
  readonly merges: Merge[];
  /** The bytes of each token: 256 single bytes, then those that merges made. */
  readonly tokens: Uint8Array[];
}

/** The pieces as id sequences in one array, the count of every neighbouring pair, and where each occurs. */
class PairStatistics {
  readonly #ids: Int32Array;
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  readonly #weights: number[] = [];
  readonly #index = new PairTable(65_536);
  readonly #left: number[] = [];
  readonly #right: number[] = [];
  readonly #count: number[] = [];
  readonly #pieces: number[][] = [];
  readonly #heap = new PairHeap();

  constructor(counts: ReadonlyMap<string, number>) {
    const chunks: Uint8Array[] = [];
    let total = 0;
    for (const [piece, count] of counts) {
      const bytes = utf8Bytes(piece);
      for (let from = 0; from < bytes.length; from += MAX_PIECE_BYTES) {
        const chunk = bytes.subarray(from, from + MAX_PIECE_BYTES);
        chunks.push(chunk);
        this.#starts.push(total);
        this.#lengths.push(chunk.length);
        this.#weights.push(count);
        total += chunk.length;
      }
    }
    this.#ids = new Int32Array(total);
    chunks.forEach((chunk, piece) => {
      this.#ids.set(chunk, this.#starts[piece]!);
      this.#weigh(piece, 1, undefined);
    });
    for (let pair = 0; pair < this.#count.length; pair++) this.#enqueue(pair);
  }

  #pairOf(left: number, right: number): number {
    let pair = this.#index.get(left, right);
    if (pair === -1) {
      pair = this.#left.push(left) - 1;
      this.#right.push(right);
      this.#count.push(0);
      this.#pieces.push([]);
      this.#index.set(left, right, pair);
    }
    return pair;
  }

  #enqueue(pair: number): void {
    const count = this.#count[pair]!;
    if (count < MIN_PAIR_COUNT) return;
    this.#heap.push(-count, this.#left[pair]! * ID_LIMIT + this.#right[pair]!);
  }

  /**
   * Adds (`sign` 1) or takes away (-1) the pairs of a piece. When adding, the piece is noted at pairs that hold
   * `newId` (or at all, where undefined); at the others it is noted already. Returns the pairs noted.
   */
  #weigh(piece: number, sign: 1 | -1, newId: number | undefined): number[] {
    const noted: number[] = [];
    const start = this.#starts[piece]!;
    const weight = sign * this.#weights[piece]!;
    for (let i = start; i + 1 < start + this.#lengths[piece]!; i++) {
      const [left, right] = [this.#ids[i]!, this.#ids[i + 1]!];
      const pair = this.#pairOf(left, right);
      this.#count[pair]! += weight;
      if (sign === -1 || (newId !== undefined && left !== newId && right !== newId)) continue;
      if (this.#pieces[pair]!.at(-1) !== piece) this.#pieces[pair]!.push(piece);
      noted.push(pair);
    }
    return noted;
  }

  #contains(piece: number, left: number, right: number): boolean {
    const start = this.#starts[piece]!;
    for (let i = start; i + 1 < start + this.#lengths[piece]!; i++) {
      if (this.#ids[i] === left && this.#ids[i + 1] === right) return true;
    }
    return false;
  }

  #rewrite(piece: number, { left, right, result }: Merge): void {
    const start = this.#starts[piece]!;
    const end = start + this.#lengths[piece]!;
    let to = start;
    for (let from = start; from < end; to++) {
      const found = from + 1 < end && this.#ids[from] === left && this.#ids[from + 1] === right;
      this.#ids[to] = found ? result : this.#ids[from]!;
      from += found ? 2 : 1;
    }
    this.#lengths[piece] = to - start;
  }

  /** The most frequent pair, of equals the one with the lower left id, then the lower right id. */
  takeMostFrequent(): { left: number; right: number } | undefined {
    for (let top = this.#heap.pop(); top !== undefined; top = this.#heap.pop()) {
      const left = Math.floor(top.minor / ID_LIMIT);
      const right = top.minor % ID_LIMIT;
      const pair = this.#index.get(left, right);
      if (this.#count[pair] === -top.major) return { left, right };
      // Counts fall between a push and its pop; the pair goes back in at its present place.
      this.#enqueue(pair);
    }
    return undefined;
  }

  /** Merges a pair in every piece that holds it. */
  merge(merge: Merge): void {
    const pair = this.#index.get(merge.left, merge.right);
    const pieces = this.#pieces[pair]!;
    this.#pieces[pair] = [];
    const noted = new Set<number>();
    for (const piece of pieces) {
      if (!this.#contains(piece, merge.left, merge.right)) continue;
      this.#weigh(piece, -1, undefined);
      this.#rewrite(piece, merge);
      for (const one of this.#weigh(piece, 1, merge.result)) noted.add(one);
    }
    // Only pairs with the new token gained; the counts of all others fell or stayed.
    for (const one of noted) this.#enqueue(one);
  }
}

/**
 * Learns merges until there are `tokenCount` tokens, or until no pair occurs twice.
 *
 * Deterministic: each step merges the pair with the highest count; of equals, that with the lower left id, then the
 * lower right id. Ids are 0-255 for bytes, then in the order of the merges. Counts include overlaps ("aaa" holds two
 * pairs "aa"). A token named like one of `reserved` is not made.
 */
export function learnMerges(
  counts: ReadonlyMap<string, number>,
  tokenCount: number,
  reserved: readonly string[],
  onMerge?: (tokens: number) => void,
): LearnedMerges {
  const statistics = new PairStatistics(counts);
  const tokens = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const merges: Merge[] = [];
  while (tokens.length < tokenCount) {
    const pair = statistics.takeMostFrequent();
    if (pair === undefined) break;
    const bytes = Uint8Array.of(...tokens[pair.left]!, ...tokens[pair.right]!);
    if (reserved.includes(bytesToAlphabet(bytes))) continue;
    // No two merges spell the same bytes: what is merged inside a token does not depend on what stands around it.
    const merge = { ...pair, result: tokens.push(bytes) - 1 };
    merges.push(merge);
    statistics.merge(merge);
    onMerge?.(tokens.length);
  }
  return { merges, tokens };
}
