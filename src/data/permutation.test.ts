import { describe, expect, it } from "vitest";
import { seededPermutation } from "./permutation.ts";

describe("seededPermutation", () => {
  it("hits every value once, for every small size", () => {
    for (let size = 1; size <= 200; size++) {
      const permute = seededPermutation(size, 5, size);
      const values = Array.from({ length: size }, (_, i) => permute(i));
      expect([...values].sort((a, b) => a - b)).toEqual(values.map((_, i) => i));
    }
  });

  it("is fixed by its keys and differs between them", () => {
    const order = (...keys: number[]) => Array.from({ length: 50 }, (_, i) => seededPermutation(50, ...keys)(i));
    expect(order(1, 2)).toEqual(order(1, 2));
    expect(order(1, 2)).not.toEqual(order(1, 3));
    expect(order(1, 2)).not.toEqual(order(2, 1));
  });

  it("sends each index anywhere, about equally often", () => {
    const size = 10;
    const counts = Array.from({ length: size }, () => new Array(size).fill(0));
    for (let key = 0; key < 5000; key++) {
      const permute = seededPermutation(size, key);
      for (let i = 0; i < size; i++) counts[i]![permute(i)]++;
    }
    for (const count of counts.flat()) expect(Math.abs(count - 500)).toBeLessThan(110);
  });

  it("leaves no trace of the order in neighbours", () => {
    const size = 10_000;
    const permute = seededPermutation(size, 3);
    let near = 0;
    let product = 0;
    for (let i = 0; i + 1 < size; i++) {
      const [a, b] = [permute(i), permute(i + 1)];
      if (Math.abs(a - b) < size / 100) near++;
      product += (a / size - 0.5) * (b / size - 0.5);
    }
    // About 2 % of unrelated pairs lie so near; the correlation is 12 times the mean product.
    expect(Math.abs(near - 200)).toBeLessThan(70);
    expect(Math.abs((12 * product) / size)).toBeLessThan(0.04);
  });

  it("works at once for sizes that no list could hold", () => {
    const size = 3e12 + 7;
    const permute = seededPermutation(size, 1);
    const values = Array.from({ length: 1000 }, (_, i) => permute(i));
    expect(new Set(values).size).toBe(1000);
    expect(values.every((v) => Number.isInteger(v) && v >= 0 && v < size)).toBe(true);
    expect(Math.max(...values)).toBeGreaterThan(size * 0.98);
  });

  it("refuses sizes and indices out of range", () => {
    expect(() => seededPermutation(0, 1)).toThrow("size must be an integer in [1, 2^52], got 0");
    expect(() => seededPermutation(5, 1)(5)).toThrow("index must be an integer in [0, 5), got 5");
  });
});
