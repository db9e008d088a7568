/** Numbers about an inspected text. */
import { isRouted } from "../../../../src/model/layerKind.ts";
import type { InspectedLayer } from "../../../../src/ui/api.ts";
import type { Inspection } from "../../engine.ts";

export const routedOf = ({ layers }: Pick<Inspection, "layers">): InspectedLayer[] =>
  layers.filter(({ kind }) => isRouted(kind));

export function meanOf(values: readonly (number | null)[]): number | null {
  const given = values.filter((value) => value !== null);
  return given.length === 0 ? null : given.reduce((a, b) => a + b, 0) / given.length;
}

export const throughOf = ({ routedThrough }: InspectedLayer): number =>
  routedThrough.filter(Boolean).length / routedThrough.length;

/** Share of the tokens that go through, mean over layers. */
export const shareThrough = (layers: readonly InspectedLayer[]): number | null => meanOf(layers.map(throughOf));

/** How many layers computed a token, dense ones included; one whose experts all left it out did so in part, and is not counted. */
export const blocksOf = ({ layers }: Inspection, token: number): number =>
  layers.filter(({ routedThrough, experts }) => routedThrough[token] && experts?.[token]?.length !== 0).length;

export interface Histogram {
  readonly low: number;
  readonly high: number;
  readonly counts: readonly number[];
}

/** How often values fall into stretches of the same width between two ends: the least and the greatest, if not given. */
export function histogramOf(values: readonly number[], bins: number, ends = endsOf(values)): Histogram {
  const { low, high } = ends;
  const counts = Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((bins * (value - low)) / (high - low)))]!++;
  return { low, high, counts };
}

function endsOf(values: readonly number[]): { readonly low: number; readonly high: number } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return { low: 0, high: 1 };
  return low === high ? { low: low - 0.5, high: high + 0.5 } : { low, high };
}

/** What a token is coloured by, from 0 to 1, and in words. */
export interface Measure {
  readonly name: string;
  readonly shareOf: (token: number) => number | null;
  readonly textOf: (token: number) => string;
  /** Ends of the scale. */
  readonly least: string;
  readonly most: string;
}

/** Compute, loss and entropy of each token. */
export function measuresOf(inspection: Inspection): Readonly<Record<"compute" | "loss" | "entropy", Measure>> {
  const count = inspection.layers.length;
  const all = inspection.tokens.map((_, i) => blocksOf(inspection, i));
  const fewest = Math.min(...all, count);
  const nats = (values: readonly (number | null)[], name: string): Measure => {
    const most = Math.max(...values.map((value) => value ?? 0), 1e-9);
    return {
      name,
      shareOf: (token) => (values[token] === null ? null : values[token]! / most),
      textOf: (token) => (values[token] === null ? "not foretold" : `${values[token]!.toFixed(2)} nats`),
      ...{ least: "0", most: `${most.toFixed(1)} nats` },
    };
  };
  return {
    compute: {
      name: inspection.layers.some(({ experts }) => experts)
        ? "blocks that computed the token, experts included"
        : "blocks that computed the token",
      shareOf: (token) => (count === fewest ? 1 : (all[token]! - fewest) / (count - fewest)),
      textOf: (token) => `${all[token]} of ${count} blocks`,
      ...{ least: `${fewest}`, most: `${count} blocks` },
    },
    loss: nats(inspection.lossNats, "how little the token was expected: −ln p"),
    entropy: nats(inspection.entropyNats, "how unsure the model was of what comes here"),
  };
}
