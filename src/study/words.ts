/** Numbers and claims as a report writes them. */
import type { Claim, ClaimKind } from "./claims.ts";
import type { Estimate } from "./fit.ts";
import type { Interval } from "./statistics.ts";

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
export const loss = (nats: number): string => nats.toFixed(4);

/** `1.2M [1.1M, 1.4M]`; the value alone where there is no interval. */
export function withInterval(value: number, interval: Interval | null, text: (value: number) => string): string {
  const sign = (each: number) => (Number.isFinite(each) ? text(each) : "none").replace(/^-/, "−");
  return interval === null ? sign(value) : `${sign(value)} [${sign(interval.low)}, ${sign(interval.high)}]`;
}

interface ClaimWords {
  /** What is measured. */
  readonly measure: (candidate: string, other: string) => string;
  readonly text: (value: number) => string;
}

const nats = (value: number) => `${value > 0 ? "+" : ""}${value.toFixed(4)}`;
const ratio = (value: number) => value.toFixed(2);

export const CLAIM_WORDS: Readonly<Record<ClaimKind, ClaimWords>> = {
  loss: {
    measure: (candidate, other) => `lowest loss: ${candidate} − ${other}, nats`,
    text: nats,
  },
  forwardFlops: {
    measure: (candidate, other) => `smallest ${candidate} as good as the best ${other}: its forward FLOPs / ${other}'s`,
    text: ratio,
  },
  parameters: {
    measure: (candidate, other) => `parameters at the optimum: ${candidate} / ${other}`,
    text: ratio,
  },
  control: {
    measure: (candidate, other) => `lowest loss: ${candidate} − ${other} (control), nats`,
    text: nats,
  },
  causal: {
    measure: (candidate) => `loss of the same ${candidate} runs: causal rule − top-k, nats`,
    text: nats,
  },
  optimumForwardFlops: {
    measure: (candidate, other) => `forward FLOPs at the optimum: ${candidate} / ${other}`,
    text: ratio,
  },
  equalForwardFlops: {
    measure: (candidate, other) => `loss at equal forward FLOPs: best ${candidate} − ${other}, nats`,
    text: nats,
  },
};

/** `−0.0120 [−0.0200, −0.0040]`. */
export function estimateText({ kind, estimate }: Claim): string {
  return estimate === null ? "" : withInterval(estimate.value, estimate.interval, CLAIM_WORDS[kind].text);
}

export function relativeText(relative: Estimate | null): string {
  const text = (value: number) => `${value > 0 ? "+" : ""}${(100 * value).toFixed(2)} %`;
  return relative === null ? "" : withInterval(relative.value, relative.interval, text);
}
