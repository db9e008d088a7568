import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cases } from "../../testing/cases.ts";
import { type Merge, MergeRules } from "./mergePiece.ts";
import { PairHeap } from "./pairHeap.ts";
import { PairTable } from "./pairTable.ts";

describe("PairTable", () => {
  it("holds what a Map holds, across growth", () => {
    const table = new PairTable(1);
    const map = new Map<string, number>();
    for (let i = 0; i < 5000; i++) {
      const [left, right] = [(i * 7919) % 83, (i * 104_729) % 97];
      table.set(left, right, i);
      map.set(`${left},${right}`, i);
    }
    expect(table.size).toBe(map.size);
    for (let left = 0; left < 83; left++) {
      for (let right = 0; right < 98; right++) expect(table.get(left, right)).toBe(map.get(`${left},${right}`) ?? -1);
    }
  });
});

describe("PairHeap", () => {
  it("gives pairs back in lexicographic order", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.nat(20))), (entries) => {
        const heap = new PairHeap();
        for (const [major, minor] of entries) heap.push(major, minor);
        const out = entries.map(() => heap.pop()!);
        const sorted = [...entries].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(out.map((e) => [e.major, e.minor])).toEqual(sorted);
        expect(heap.pop()).toBeUndefined();
      }),
      cases(),
    );
  });
});

/** The definition, without any cleverness. */
function mergeSlowly(ids: readonly number[], merges: readonly Merge[]): number[] {
  const out = [...ids];
  for (;;) {
    const ranks = out.slice(1).map((right, i) => merges.findIndex((m) => m.left === out[i] && m.right === right));
    const found = ranks.filter((r) => r !== -1);
    if (found.length === 0) return out;
    const rank = Math.min(...found);
    out.splice(ranks.indexOf(rank), 2, merges[rank]!.result);
  }
}

describe("MergeRules", () => {
  const merges: Merge[] = [
    { left: 0, right: 0, result: 3 },
    { left: 1, right: 2, result: 4 },
    { left: 3, right: 3, result: 5 },
    { left: 3, right: 1, result: 6 },
    { left: 0, right: 4, result: 7 },
    { left: 2, right: 0, result: 8 },
    { left: 6, right: 8, result: 9 },
  ];
  const rules = new MergeRules(merges);

  // 96 ids is where the scan gives way to the heap.
  it.each([
    ["short pieces", 0, 20],
    ["long pieces", 97, 300],
  ])("applies merges by rank, leftmost first: %s", (_, minLength, maxLength) => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { minLength, maxLength }), (ids) => {
        const buffer = Int32Array.from(ids);
        const length = rules.apply(buffer, ids.length);
        expect([...buffer.subarray(0, length)]).toEqual(mergeSlowly(ids, merges));
      }),
      cases(200),
    );
  });

  it("merges a run of a million in about n log n", () => {
    const ids = new Int32Array(1_000_000);
    expect(rules.apply(ids, ids.length)).toBe(250_000);
    expect(ids.subarray(0, 250_000).every((id) => id === 5)).toBe(true);
  });
});
