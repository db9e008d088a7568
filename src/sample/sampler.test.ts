import { describe, expect, test } from "vitest";
import { uniform } from "../random.ts";
import { type SamplerOptions, sampleToken } from "./sampler.ts";

const all: SamplerOptions = { temperature: 1, topK: 0, topP: 1 };
const logitsOf = (probabilities: readonly number[]) => Float32Array.from(probabilities, Math.log);
const DRAWS = 20_000;

/** How often each token is drawn. */
function countsOf(logits: Float32Array, options: SamplerOptions): number[] {
  const counts = Array<number>(logits.length).fill(0);
  for (let i = 0; i < DRAWS; i++) counts[sampleToken(logits, options, uniform(3, i)).id]!++;
  return counts;
}

/** Σ (observed − expected)² / expected, over the tokens that can be drawn. */
function chiSquare(counts: readonly number[], probabilities: readonly number[]): number {
  return counts.reduce((sum, count, id) => {
    const expected = DRAWS * probabilities[id]!;
    return expected === 0
      ? sum + (count === 0 ? 0 : Number.POSITIVE_INFINITY)
      : sum + (count - expected) ** 2 / expected;
  }, 0);
}

/** 99.9 % of chi-square with up to 5 degrees of freedom lie below. */
const LIMIT = 20.5;

describe("draws follow the distribution: chi-square of 20000 draws below 20.5", () => {
  const p = [0.05, 0.3, 0.1, 0.02, 0.33, 0.2];
  const share = (weights: readonly number[]) => weights.map((w) => w / weights.reduce((a, b) => a + b));

  test.each<[string, Partial<SamplerOptions>, number[]]>([
    ["as it is", {}, p],
    ["temperature 0.5 squares the probabilities", { temperature: 0.5 }, share(p.map((x) => x ** 2))],
    ["temperature 2 takes their roots", { temperature: 2 }, share(p.map(Math.sqrt))],
    ["top-k 3 leaves the three largest", { topK: 3 }, share([0, 0.3, 0, 0, 0.33, 0.2])],
    ["top-p 0.6 leaves what first reaches it", { topP: 0.6 }, share([0, 0.3, 0, 0, 0.33, 0])],
    ["top-p 0.7 needs one more", { topP: 0.7 }, share([0, 0.3, 0, 0, 0.33, 0.2])],
    ["top-p counts within top-k", { topK: 3, topP: 0.5 }, share([0, 0.3, 0, 0, 0.33, 0])],
    ["top-p counts at its temperature", { temperature: 0.25, topP: 0.6 }, share([0, 0.3 ** 4, 0, 0, 0.33 ** 4, 0])],
    ["top-k beyond the vocabulary changes nothing", { topK: 99 }, p],
  ])("%s", (_, options, expected) => {
    expect(chiSquare(countsOf(logitsOf(p), { ...all, ...options }), expected)).toBeLessThan(LIMIT);
  });
});

describe("cuts down to one token", () => {
  const logits = logitsOf([0.2, 0.5, 0.3]);
  test.each<[string, Partial<SamplerOptions>]>([
    ["temperature 0", { temperature: 0 }],
    ["top-k 1", { topK: 1 }],
    ["top-p 0, which leaves one", { topP: 0 }],
    ["top-p below the largest probability", { topP: 0.49 }],
    ["a temperature near 0", { temperature: 1e-3 }],
  ])("%s", (_, options) => {
    for (const u of [1e-10, 0.3, 0.999999]) expect(sampleToken(logits, { ...all, ...options }, u).id).toBe(1);
  });
});

test("ties go to the lower id", () => {
  const logits = Float32Array.of(0, 2, 2, 2, 1);
  expect(sampleToken(logits, { ...all, temperature: 0 }, 0.9).id).toBe(1);
  const kept = new Set(
    Array.from({ length: 100 }, (_, i) => sampleToken(logits, { ...all, topK: 2 }, (i + 0.5) / 100).id),
  );
  expect([...kept].sort()).toEqual([1, 2]);
});

test("top-p that is reached exactly takes no further token", () => {
  const draws = Array.from(
    { length: 100 },
    (_, i) => sampleToken(new Float32Array(4), { ...all, topP: 0.5 }, (i + 0.5) / 100).id,
  );
  expect([...new Set(draws)].sort()).toEqual([0, 1]);
});

test("a uniform number next to 1 gives a token that may be drawn", () => {
  const logits = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
  for (const options of [all, { ...all, topK: 7 }, { ...all, topP: 0.3 }]) {
    const { id } = sampleToken(logits, options, 1 - 2 ** -53);
    expect(Number.isInteger(id) && id >= 0 && id < 1000).toBe(true);
  }
});

test("the same number draws the same token", () => {
  const logits = Float32Array.from({ length: 50 }, (_, i) => Math.cos(i));
  for (let i = 0; i < 50; i++)
    expect(sampleToken(logits, all, i / 50 + 0.01)).toEqual(sampleToken(logits, all, i / 50 + 0.01));
});

describe("log probability", () => {
  const p = [0.1, 0.6, 0.3];

  test("is that of the distribution before cuts, at temperature 1, to 1e-6", () => {
    for (const options of [all, { ...all, temperature: 0 }, { temperature: 0.2, topK: 2, topP: 0.5 }]) {
      const { id, logProbability } = sampleToken(logitsOf(p), options, 0.5);
      expect(logProbability).toBeCloseTo(Math.log(p[id]!), 6);
    }
  });

  test("does not change when a number is added to all logits, however large", () => {
    const at = (shift: number) => sampleToken(Float32Array.of(1 + shift, 3 + shift, 2 + shift), all, 0.5);
    for (const shift of [1000, -1000]) {
      expect(at(shift).id).toBe(at(0).id);
      expect(at(shift).logProbability).toBeCloseTo(at(0).logProbability, 6);
    }
  });

  test("of tokens with logit -Infinity is never asked for: they are not drawn", () => {
    const counts = countsOf(Float32Array.of(Number.NEGATIVE_INFINITY, 0, 0), all);
    expect(counts[0]).toBe(0);
    expect(counts[1]! + counts[2]!).toBe(DRAWS);
  });
});
