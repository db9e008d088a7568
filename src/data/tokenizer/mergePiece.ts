/**
 * Byte pair encoding of one piece: of all neighbouring pairs that have a merge, the one of lowest rank is merged, the
 * leftmost of equals first, until no pair has one (Sennrich et al. 2016).
 */
import { PairHeap } from "./pairHeap.ts";
import { PairTable } from "./pairTable.ts";

/** One merge: `left` followed by `right` becomes `result`. The position in the list is its rank. */
export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly result: number;
}

/** Pieces up to this length are merged by scanning for the lowest rank, longer ones with a heap: O(n log n). */
const SCAN_LIMIT = 96;
const NO_MERGE = 0x7fffffff;

export class MergeRules {
  readonly #ranks: PairTable;
  readonly #results: Int32Array;
  readonly #scratch = new Int32Array(SCAN_LIMIT);

  constructor(merges: readonly Merge[]) {
    this.#ranks = new PairTable(merges.length);
    this.#results = Int32Array.from(merges, (m) => m.result);
    merges.forEach((m, rank) => {
      if (this.#ranks.get(m.left, m.right) === -1) this.#ranks.set(m.left, m.right, rank);
    });
  }

  #rank(left: number, right: number): number {
    const rank = this.#ranks.get(left, right);
    return rank === -1 ? NO_MERGE : rank;
  }

  /** Merges the first `length` ids in place; returns how many are left. */
  apply(ids: Int32Array, length: number): number {
    return length <= SCAN_LIMIT ? this.#applyByScan(ids, length) : this.#applyByHeap(ids, length);
  }

  #applyByScan(ids: Int32Array, length: number): number {
    const ranks = this.#scratch;
    let n = length;
    for (let i = 0; i + 1 < n; i++) ranks[i] = this.#rank(ids[i]!, ids[i + 1]!);
    while (n > 1) {
      let at = 0;
      for (let i = 1; i + 1 < n; i++) if (ranks[i]! < ranks[at]!) at = i;
      if (ranks[at] === NO_MERGE) break;
      ids[at] = this.#results[ranks[at]!]!;
      n--;
      for (let i = at + 1; i < n; i++) {
        ids[i] = ids[i + 1]!;
        ranks[i] = ranks[i + 1]!;
      }
      if (at > 0) ranks[at - 1] = this.#rank(ids[at - 1]!, ids[at]!);
      if (at + 1 < n) ranks[at] = this.#rank(ids[at]!, ids[at + 1]!);
    }
    return n;
  }

  #applyByHeap(ids: Int32Array, length: number): number {
    // A doubly linked list over positions; `ranks[i]` belongs to the pair that starts at i, -1 once i is merged away.
    const next = Int32Array.from({ length }, (_, i) => i + 1);
    const previous = Int32Array.from({ length }, (_, i) => i - 1);
    const ranks = new Int32Array(length).fill(NO_MERGE);
    const heap = new PairHeap();
    const rate = (i: number) => {
      ranks[i] = next[i]! < length ? this.#rank(ids[i]!, ids[next[i]!]!) : NO_MERGE;
      if (ranks[i] !== NO_MERGE) heap.push(ranks[i]!, i);
    };
    for (let i = 0; i < length; i++) rate(i);
    for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
      const at = top.minor;
      // An entry whose pair has changed since it was pushed is stale.
      if (ranks[at] !== top.major) continue;
      const gone = next[at]!;
      ids[at] = this.#results[top.major]!;
      ranks[gone] = -1;
      next[at] = next[gone]!;
      if (next[at]! < length) previous[next[at]!] = at;
      if (previous[at]! >= 0) rate(previous[at]!);
      rate(at);
    }
    let n = 0;
    for (let i = 0; i < length; i = next[i]!) ids[n++] = ids[i]!;
    return n;
  }
}
