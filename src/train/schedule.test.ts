import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Horizon } from "../config/runConfig.ts";
import { cases } from "../testing/cases.ts";
import { horizonSteps, learningRateAt, stepFlops, stepTokens } from "./schedule.ts";
import { tinyConfig, tinyModelOf, VARIANT_NAMES } from "./testing/tinyRun.ts";

const schedule = { peak: 0.02, warmup: 0.1, final: 0.25 };
const ratesOf = (steps: number, rate = schedule) =>
  Array.from({ length: steps }, (_, i) => learningRateAt(i + 1, steps, rate));

describe("learning rate", () => {
  test("rises in equal steps from peak / warm-up steps to the peak", () => {
    const rates = ratesOf(100).slice(0, 10);
    rates.forEach((rate, i) => {
      expect(rate).toBeCloseTo((0.02 * (i + 1)) / 10, 12);
    });
  });

  test("falls along a cosine: half way down in its middle, less in its first third, and final · peak at the last step", () => {
    expect(learningRateAt(40, 100, schedule)).toBeCloseTo(0.02 * (0.25 + 0.75 * 0.75), 12);
    expect(learningRateAt(55, 100, schedule)).toBeCloseTo((0.02 * (1 + 0.25)) / 2, 12);
    expect(learningRateAt(100, 100, schedule)).toBeCloseTo(0.02 * 0.25, 12);
  });

  test("without warm-up falls from the first step on", () => {
    const [first, second] = ratesOf(100, { ...schedule, warmup: 0 }) as [number, number];
    expect(first).toBeLessThan(0.02);
    expect(second).toBeLessThan(first);
  });

  test("that is all warm-up ends at the peak", () => {
    expect(learningRateAt(7, 7, { ...schedule, warmup: 1 })).toBe(0.02);
  });

  test("of any schedule rises, then falls, and stays within (0, peak]", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), share, share, (steps, warmup, final) => {
        const rates = ratesOf(steps, { peak: 1, warmup, final });
        const top = Math.max(1, Math.round(warmup * steps));
        for (let i = 1; i < steps; i++) {
          if (i < top) expect(rates[i]!).toBeGreaterThan(rates[i - 1]!);
          else expect(rates[i]!).toBeLessThanOrEqual(rates[i - 1]!);
        }
        for (const rate of rates) expect(rate).toBeGreaterThanOrEqual(0);
        expect(Math.max(...rates)).toBeLessThanOrEqual(1);
        if (top < steps) expect(rates.at(-1)).toBeCloseTo(final, 12);
      }),
      cases(),
    );
  });
});

describe("horizon", () => {
  const model = tinyModelOf("mod");
  const { train } = tinyConfig("mod", { train: { batchSize: 2, accumulate: 3 } });
  const stepsOf = (horizon: Horizon, windows = 100) => horizonSteps(horizon, model, train, windows);

  test("in steps is taken as it is", () => {
    expect(stepsOf({ kind: "steps", steps: 17 })).toBe(17);
  });

  test("in tokens counts batch and accumulation", () => {
    expect(stepTokens(model, train)).toBe(16 * 2 * 3);
    expect(stepsOf({ kind: "tokens", tokens: 96 * 5 + 40 })).toBe(5);
    expect(stepsOf({ kind: "tokens", tokens: 96 * 5 + 60 })).toBe(6);
  });

  test("in epochs counts windows, fractions too", () => {
    expect(stepsOf({ kind: "epochs", epochs: 1.5 }, 100)).toBe(25);
  });

  test("in FLOPs meets the budget within half a step", () => {
    for (const variant of VARIANT_NAMES) {
      const flops = stepFlops(tinyModelOf(variant), train);
      for (const budget of [1e8, 3.3e9, 1e12]) {
        const steps = horizonSteps({ kind: "flops", budget }, tinyModelOf(variant), train, 1);
        expect(Math.abs(steps * flops - budget)).toBeLessThanOrEqual(Math.max(flops / 2, flops - budget));
      }
    }
  });

  test("is one step at least", () => {
    for (const horizon of [
      { kind: "tokens", tokens: 1 },
      { kind: "epochs", epochs: 1e-9 },
      { kind: "flops", budget: 1 },
    ] as const)
      expect(stepsOf(horizon)).toBe(1);
  });
});
