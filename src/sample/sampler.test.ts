import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normal, uniform } from "../random.ts";
import { cases } from "../testing/cases.ts";
import { checkSampler, SAMPLER_DEFAULTS, type SamplerOptions, sampleToken, topLogProbabilities } from "./sampler.ts";

const all: SamplerOptions = { ...SAMPLER_DEFAULTS, temperature: 1 };
const logitsOf = (probabilities: readonly number[]) => Float32Array.from(probabilities, Math.log);
const DRAWS = 20_000;

/** How often each token is drawn. */
function countsOf(logits: Float32Array, options: SamplerOptions, seen?: Iterable<number>): number[] {
  const counts = Array<number>(logits.length).fill(0);
  for (let i = 0; i < DRAWS; i++) counts[sampleToken(logits, options, uniform(3, i), seen).id]!++;
  return counts;
}

/** The tokens that a hundred evenly spaced numbers draw, in the order of ids. */
function drawn(logits: Float32Array, options: SamplerOptions): number[] {
  const ids = Array.from({ length: 100 }, (_, i) => sampleToken(logits, options, (i + 0.5) / 100).id);
  return [...new Set(ids)].sort((a, b) => a - b);
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
    ["min-p 0.5 leaves 0.165 and more", { minP: 0.5 }, share([0, 0.3, 0, 0, 0.33, 0.2])],
    ["min-p counts at its temperature", { temperature: 0.5, minP: 0.5 }, share([0, 0.3 ** 2, 0, 0, 0.33 ** 2, 0])],
    ["min-p does not change what top-p counts", { topP: 0.95, minP: 0.5 }, share([0, 0.3, 0, 0, 0.33, 0.2])],
    ["a repetition penalty of tokens not seen changes nothing", { repetitionPenalty: 2 }, p],
  ])("%s", (_, options, expected) => {
    expect(chiSquare(countsOf(logitsOf(p), { ...all, ...options }), expected)).toBeLessThan(LIMIT);
  });

  test("a repetition penalty divides positive logits and multiplies negative ones, once each", () => {
    const counts = countsOf(Float32Array.of(1, -1, 1, -1, 0), { ...all, repetitionPenalty: 2 }, [0, 1, 0, 1, 4]);
    expect(chiSquare(counts, share([0.5, -2, 1, -1, 0].map(Math.exp)))).toBeLessThan(LIMIT);
  });

  test("a repetition penalty comes before the temperature", () => {
    const options = { ...all, repetitionPenalty: 2, temperature: 2 };
    const counts = countsOf(Float32Array.of(3, 2), options, new Set([0]));
    expect(chiSquare(counts, share([1.5 / 2, 2 / 2].map(Math.exp)))).toBeLessThan(LIMIT);
  });
});

describe("cuts down to one token", () => {
  const logits = logitsOf([0.2, 0.5, 0.3]);
  test.each<[string, Partial<SamplerOptions>]>([
    ["temperature 0", { temperature: 0 }],
    ["top-k 1", { topK: 1 }],
    ["top-p next to 0, which leaves one", { topP: Number.MIN_VALUE }],
    ["top-p below the largest probability", { topP: 0.49 }],
    ["min-p 1", { minP: 1 }],
    ["a temperature near 0", { temperature: 1e-3 }],
    ["the lowest temperature", { temperature: Number.MIN_VALUE }],
  ])("%s", (_, options) => {
    for (const u of [0, 1e-10, 0.3, 0.999999]) expect(sampleToken(logits, { ...all, ...options }, u).id).toBe(1);
  });
});

describe("ties go to the lower id", () => {
  const logits = Float32Array.of(0, 2, 2, 2, 1);

  test("at temperature 0", () => {
    expect(sampleToken(logits, { ...all, temperature: 0 }, 0.9).id).toBe(1);
  });

  test("in top-k, and in a large vocabulary of equal tokens", () => {
    expect(drawn(logits, { ...all, topK: 2 })).toEqual([1, 2]);
    expect(drawn(new Float32Array(5000), { ...all, topK: 3 })).toEqual([0, 1, 2]);
  });

  test("in top-p, which takes no further token where it is reached exactly", () => {
    expect(drawn(new Float32Array(4), { ...all, topP: 0.5 })).toEqual([0, 1]);
    expect(drawn(new Float32Array(4), { ...all, topP: 0.51 })).toEqual([0, 1, 2]);
  });

  test("but min-p keeps all of them", () => {
    expect(drawn(logits, { ...all, minP: 1 })).toEqual([1, 2, 3]);
  });
});

test("top-p that falls on the last of several ties, but for a rounding, takes it and at most one more", () => {
  const [others, rest] = [10, 1e-3];
  for (let ties = 2; ties < 64; ties++) {
    for (let step = 1; step < 20; step++) {
      const logits = new Float32Array(1 + ties + others).fill(-step / 5, 1).fill(Math.log(rest), 1 + ties);
      const reached = 1 + ties * Math.exp(logits[1]!);
      const topP = reached / (reached + others * rest);
      const last = sampleToken(logits, { ...all, topP }, 1 - 1e-12).id;
      expect([ties, ties + 1]).toContain(last);
    }
  }
});

test("at temperature 0 the repetition penalty counts", () => {
  const options = { ...all, temperature: 0, repetitionPenalty: 1.5 };
  expect(sampleToken(Float32Array.of(1, 3, 2.5), options, 0.5, [1]).id).toBe(2);
});

test("numbers at the ends of [0, 1) give a token that may be drawn", () => {
  const logits = Float32Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? Number.NEGATIVE_INFINITY : Math.sin(i)));
  for (const options of [all, { ...all, topK: 7 }, { ...all, topP: 0.3 }, { ...all, minP: 0.9 }]) {
    for (const u of [0, 1 - 2 ** -53]) expect(sampleToken(logits, options, u).id % 2).toBe(1);
  }
});

describe("the draw is that of a sampler that sorts", () => {
  const logit = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: -4, max: 4 }).map((x) => x / 2) },
    { weight: 3, arbitrary: fc.integer({ min: -1_000_000, max: 1_000_000 }).map((x) => x / 1e5) },
    { weight: 1, arbitrary: fc.constant(Number.NEGATIVE_INFINITY) },
  );
  const someLogits = fc
    .oneof(fc.array(logit, { minLength: 1, maxLength: 12 }), fc.array(logit, { minLength: 100, maxLength: 400 }))
    .filter((logits) => logits.some(Number.isFinite))
    .map((logits) => Float32Array.from(logits));
  const someOptions: fc.Arbitrary<SamplerOptions> = fc.record({
    temperature: fc.oneof(fc.constant(1), fc.constant(0.8), fc.double({ min: 0.05, max: 5, noNaN: true })),
    topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 500 })),
    topP: fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 0.999, noNaN: true })),
    minP: fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 1e-3, max: 0.9, noNaN: true })),
    // In 64ths, so that scores are equal or clearly different: a sort tells apart what has the same weight within rounding.
    repetitionPenalty: fc.oneof(
      fc.constant(1),
      fc.integer({ min: 32, max: 128 }).map((x) => x / 64),
    ),
  });
  const someSeen = fc.array(fc.nat(), { maxLength: 20 });

  test("for random logits with ties, in any combination of options", () => {
    fc.assert(
      fc.property(someLogits, someOptions, someSeen, (logits, options, numbers) => {
        const seen = numbers.map((number) => number % logits.length);
        expectDrawsOf(referenceOf(logits, options, seen), logits, options, seen);
      }),
      cases(1000),
    );
  });

  test.each<[string, Partial<SamplerOptions>]>([
    ["all", {}],
    ["top-k 50, top-p 0.95", { topK: 50, topP: 0.95 }],
    ["top-k 3000", { topK: 3000 }],
    ["top-p 0.9", { topP: 0.9 }],
    ["top-p 0.9, min-p 0.01", { topP: 0.9, minP: 0.01 }],
  ])("for 4096 tokens: %s", (_, change) => {
    const logits = Float32Array.from({ length: 4096 }, (_, i) => 2 * normal(5, i));
    const options = { ...SAMPLER_DEFAULTS, ...change };
    expectDrawsOf(referenceOf(logits, options, []), logits, options, []);
  });
});

interface Kept {
  readonly id: number;
  readonly weight: number;
}

/** The tokens kept, by id; undefined where a cut lies within rounding of a token. */
function referenceOf(logits: Float32Array, options: SamplerOptions, seen: readonly number[]): Kept[] | undefined {
  const { temperature, topK, topP, minP, repetitionPenalty } = options;
  const scores = Array.from(logits, (logit, id) => {
    if (!seen.includes(id)) return logit;
    return logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
  });
  const largest = Math.max(...scores);
  const order = scores
    .map((score, id) => ({ id, score, weight: Math.exp((score - largest) / temperature) }))
    .sort((a, b) => (a.score === b.score ? a.id - b.id : b.score - a.score))
    .slice(0, topK > 0 ? topK : undefined);
  const total = order.reduce((sum, { weight }) => sum + weight, 0);
  let [count, mass, nearest] = [0, 0, Number.POSITIVE_INFINITY];
  while (count < order.length && (count === 0 || topP === 1 || mass < topP * total)) {
    mass += order[count++]!.weight;
    if (topP < 1) nearest = Math.min(nearest, Math.abs(mass / total - topP));
  }
  for (const { weight } of minP > 0 ? order : []) {
    if (weight !== minP) nearest = Math.min(nearest, Math.abs(weight / minP - 1));
  }
  if (nearest < 1e-9) return undefined;
  return order
    .slice(0, count)
    .filter(({ weight }) => weight >= minP)
    .sort((a, b) => a.id - b.id);
}

/** Numbers next to both ends of each token's share must draw this token: so the tokens and their shares are right. */
function expectDrawsOf(
  kept: readonly Kept[] | undefined,
  logits: Float32Array,
  options: SamplerOptions,
  seen: readonly number[],
): void {
  if (kept === undefined) return;
  const mass = kept.reduce((sum, { weight }) => sum + weight, 0);
  const wrong: { readonly id: number; readonly drawn: number }[] = [];
  let below = 0;
  for (const { id, weight } of kept) {
    for (const part of weight / mass > 1e-9 ? [0.001, 0.999] : []) {
      const drawn = sampleToken(logits, options, (below + part * weight) / mass, seen).id;
      if (drawn !== id) wrong.push({ id, drawn });
    }
    below += weight;
  }
  expect(wrong).toEqual([]);
}

test("the same number draws the same token, whatever was drawn in between", () => {
  const logits = Float32Array.from({ length: 50 }, (_, i) => Math.cos(i));
  const options = { ...all, topK: 20, topP: 0.9 };
  const draw = (i: number) => sampleToken(logits, options, i / 50);
  const first = Array.from({ length: 50 }, (_, i) => draw(i));
  sampleToken(new Float32Array(3000), options, 0.5);
  expect(Array.from({ length: 50 }, (_, i) => draw(i))).toEqual(first);
});

test("logits are not changed", () => {
  const logits = Float32Array.of(1, 2, 3, 2);
  sampleToken(logits, { temperature: 0.5, topK: 3, topP: 0.9, minP: 0.1, repetitionPenalty: 1.3 }, 0.5, [0, 2]);
  topLogProbabilities(logits, 2);
  expect([...logits]).toEqual([1, 2, 3, 2]);
});

describe("log probability", () => {
  const p = [0.1, 0.6, 0.3];

  test("is that of the distribution before penalty and cuts, at temperature 1, to 1e-6", () => {
    for (const change of [{}, { temperature: 0 }, { temperature: 0.2, topK: 2, topP: 0.5 }, { repetitionPenalty: 3 }]) {
      const { id, logProbability } = sampleToken(logitsOf(p), { ...all, ...change }, 0.5, [1]);
      expect(logProbability).toBeCloseTo(Math.log(p[id]!), 6);
    }
  });

  test("is exact to 1e-13", () => {
    for (let x = 0; x < 40; x += 0.0151) {
      const logits = Float32Array.of(0, -x);
      const { logProbability } = sampleToken(logits, { ...all, temperature: 0 }, 0.5);
      expect(Math.abs(logProbability + Math.log1p(Math.exp(logits[1]!)))).toBeLessThan(1e-13);
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

describe("the most likely tokens", () => {
  test("come with their log probabilities, ties by id", () => {
    const top = topLogProbabilities(logitsOf([0.1, 0.2, 0.4, 0.2, 0.1]), 4);
    expect(top.map(({ id }) => id)).toEqual([2, 1, 3, 0]);
    [0.4, 0.2, 0.2, 0.1].forEach((p, i) => {
      expect(top[i]!.logProbability).toBeCloseTo(Math.log(p), 6);
    });
  });

  test("are all of them where the vocabulary is smaller, those of probability 0 last", () => {
    const top = topLogProbabilities(Float32Array.of(Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY), 9);
    expect(top).toEqual([1, 0, 2].map((id) => ({ id, logProbability: id === 1 ? 0 : Number.NEGATIVE_INFINITY })));
  });

  test("are those of a sort", () => {
    const someLogits = fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(someLogits, fc.integer({ min: 1, max: 320 }), (integers, count) => {
        const logits = Float32Array.from(integers);
        const sorted = integers.map((_, id) => id).sort((a, b) => integers[b]! - integers[a]! || a - b);
        expect(topLogProbabilities(logits, count).map(({ id }) => id)).toEqual(sorted.slice(0, count));
      }),
      cases(),
    );
  });
});

describe("errors", () => {
  test.each<[Partial<SamplerOptions>, string]>([
    [{ temperature: -1 }, "sampler: temperature must be a number of at least 0, got -1"],
    [{ temperature: Number.NaN }, "sampler: temperature must be a number of at least 0, got NaN"],
    [{ temperature: Number.POSITIVE_INFINITY }, "sampler: temperature must be a number of at least 0, got Infinity"],
    [{ topK: 1.5 }, "sampler: topK must be an integer of at least 0, got 1.5"],
    [{ topK: -1 }, "sampler: topK must be an integer of at least 0, got -1"],
    [{ topP: 1.5 }, "sampler: topP must be in (0, 1], got 1.5"],
    [{ topP: 0 }, "sampler: topP must be in (0, 1], got 0"],
    [{ minP: 1.1 }, "sampler: minP must be in [0, 1], got 1.1"],
    [{ repetitionPenalty: 0 }, "sampler: repetitionPenalty must be in [1e-6, 1e6], got 0"],
  ])("name the option and its range: %o", (change, message) => {
    expect(() => checkSampler({ ...all, ...change })).toThrow(new RangeError(message));
    expect(() => sampleToken(new Float32Array(3), { ...all, ...change }, 0.5)).toThrow(new RangeError(message));
  });

  test("the defaults pass", () => {
    expect(() => checkSampler(SAMPLER_DEFAULTS)).not.toThrow();
  });

  test.each<[string, number[], string]>([
    ["NaN among the logits", [0, 1, Number.NaN], "logits must be numbers, got NaN for token 2"],
    ["only NaN", [Number.NaN, Number.NaN], "got NaN for token 0"],
    ["no token possible", Array(3).fill(Number.NEGATIVE_INFINITY), "largest logit must be finite, got -Infinity"],
    ["an infinite logit", [0, Number.POSITIVE_INFINITY], "largest logit must be finite, got Infinity"],
    ["no logits", [], "largest logit must be finite, got -Infinity"],
  ])("%s", (_, logits, message) => {
    for (const temperature of [0, 1]) {
      expect(() => sampleToken(Float32Array.from(logits), { ...all, temperature }, 0.5)).toThrow(message);
    }
    expect(() => topLogProbabilities(Float32Array.from(logits), 1)).toThrow(message);
  });

  test("arguments out of range", () => {
    const logits = new Float32Array(3);
    for (const u of [1, -0.1, Number.NaN]) {
      expect(() => sampleToken(logits, all, u)).toThrow(`uniform must be in [0, 1), got ${u}`);
    }
    for (const id of [3, -1, 0.5]) {
      expect(() => sampleToken(logits, { ...all, repetitionPenalty: 2 }, 0.5, [id])).toThrow(`[0, V=3), got ${id}`);
    }
    for (const count of [0, 1.5]) {
      expect(() => topLogProbabilities(logits, count)).toThrow(`count must be an integer of at least 1, got ${count}`);
    }
  });
});
