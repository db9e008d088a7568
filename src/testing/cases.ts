import type { Parameters } from "fast-check";

/** How many times as many cases of every property, each time others: MOD_FUZZ=30 looks for what no run has met yet. */
const FUZZ = Number(process.env.MOD_FUZZ ?? 0);

/** So many cases of a property; without MOD_FUZZ the same ones in every run, so that what fails here fails everywhere. */
export const cases = <T>(count = 100): Parameters<T> =>
  FUZZ > 0 ? { numRuns: count * FUZZ } : { numRuns: count, seed: 2404_02258 };
