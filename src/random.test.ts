import { describe, expect, it } from "vitest";
import { fillNormal, hash32, hashText, normal, randomBelow, uniform } from "./random.ts";

const COUNT = 100_000;

function moments(values: readonly number[]): { mean: number; variance: number; kurtosis: number } {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
  const fourth = values.reduce((sum, v) => sum + (v - mean) ** 4, 0) / values.length;
  return { mean, variance, kurtosis: fourth / variance ** 2 };
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [moments(a), moments(b)];
  const covariance = a.reduce((sum, v, i) => sum + (v - x.mean) * (b[i]! - y.mean), 0) / a.length;
  return covariance / Math.sqrt(x.variance * y.variance);
}

const draw = (f: (i: number) => number) => Array.from({ length: COUNT }, (_, i) => f(i));

describe("random", () => {
  it("is a pure function of its keys, the same on every machine", () => {
    expect(hash32(1, 2, 3)).toBe(hash32(1, 2, 3));
    expect([hash32(), hash32(0), hash32(0, 0), hash32(-1), hashText(""), hashText("a")]).toMatchInlineSnapshot(`
      [
        2654435769,
        3385628684,
        1452694629,
        3359196135,
        1684164658,
        3112844382,
      ]
    `);
  });

  it("tells keys apart by order, number, sign and by their high bits", () => {
    const keys = [
      [],
      [0],
      [0, 0],
      [1],
      [0, 1],
      [1, 0],
      [-1],
      [2 ** 32],
      [2 ** 32 + 1],
      [2 ** 33],
      [5, 1],
      [2 ** 32 + 5],
    ];
    expect(new Set(keys.map((k) => hash32(...k))).size).toBe(keys.length);
    const names = ["", "a", "b", "ab", "ba", "aa", "a\u0000", "\u0000"];
    expect(new Set(names.map(hashText)).size).toBe(names.length);
  });

  it("refuses keys that are no integers", () => {
    expect(() => hash32(0.5)).toThrow("keys must be safe integers, got 0.5");
    expect(() => uniform(Number.NaN)).toThrow("got NaN");
    expect(() => randomBelow(0, 1)).toThrow("n must be an integer in [1, 2^32], got 0");
  });

  it("gives uniform numbers with the mean and variance of (0, 1), filling all bins alike", () => {
    const values = draw((i) => uniform(7, i));
    const { mean, variance } = moments(values);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.004);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.002);
    expect(Math.min(...values.slice(0, 1000))).toBeGreaterThan(0);
    const bins = new Array(256).fill(0);
    for (const v of values) bins[Math.floor(v * 256)]++;
    const expected = COUNT / 256;
    const chiSquare = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 255 degrees of freedom: mean 255, standard deviation 22.6.
    expect(chiSquare).toBeGreaterThan(160);
    expect(chiSquare).toBeLessThan(350);
  });

  it("fills an array with the numbers that single draws give", () => {
    const filled = new Float32Array(100);
    fillNormal(filled, 0.5, 3, 7);
    expect([...filled]).toEqual(Array.from(filled, (_, i) => Math.fround(0.5 * normal(3, 7, i))));
  });

  it("gives normal numbers with the first moments of N(0, 1)", () => {
    const { mean, variance, kurtosis } = moments(draw((i) => normal(3, i)));
    expect(Math.abs(mean)).toBeLessThan(0.015);
    expect(Math.abs(variance - 1)).toBeLessThan(0.02);
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.1);
  });

  it("shows no correlation between neighbouring keys, in any place of the key", () => {
    const base = draw((i) => uniform(5, i, 9));
    const neighbours = [
      (i: number) => uniform(5, i + 1, 9),
      (i: number) => uniform(6, i, 9),
      (i: number) => uniform(5, i, 10),
    ];
    for (const f of neighbours) expect(Math.abs(correlation(base, draw(f)))).toBeLessThan(0.012);
    const gaussian = draw((i) => normal(5, i));
    expect(
      Math.abs(
        correlation(
          gaussian,
          draw((i) => normal(5, i + 1)),
        ),
      ),
    ).toBeLessThan(0.012);
  });

  it("flips about half of the output bits when one bit of a key flips", () => {
    const flips = new Array(32).fill(0);
    for (let i = 0; i < 2000; i++) {
      for (let bit = 0; bit < 32; bit++) {
        let difference = hash32(11, i) ^ hash32(11, (i ^ (1 << bit)) >>> 0);
        for (; difference !== 0; difference &= difference - 1) flips[bit]++;
      }
    }
    for (const count of flips) expect(Math.abs(count / 2000 - 16)).toBeLessThan(0.4);
  });

  it("draws every integer below n", () => {
    const seen = new Array(6).fill(0);
    for (let i = 0; i < 6000; i++) seen[randomBelow(6, 1, i)]++;
    for (const count of seen) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
