/** Where values lie along an axis of a chart, and which of them are named. Short enough not to need d3-scale and what it brings. */
import { shortNumber } from "./shortNumber.ts";

export type AxisKind = "linear" | "log";

export interface Tick {
  /** Pixels from the axis's start. */
  readonly at: number;
  readonly text: string;
}

export interface Scale {
  /** Pixels from the axis's start. */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

export interface ScaleOptions {
  readonly kind: AxisKind;
  /** Pixels. */
  readonly length: number;
  /** Fewest pixels between two ticks. */
  readonly gap: number;
}

/** Left free at both ends, as a share of the values' range. */
const PADDING = 0.06;
/** Leading digits of a log axis's ticks, densest first. */
const MANTISSAS = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]];
const FEW_TICKS = 3;
const ROUNDING = 1e-9;

/**
 * A scale that holds all values, with some room at both ends.
 *
 * @throws where there is no value, one is not finite, or one is not above 0 on a log axis.
 */
export function scaleOf(values: readonly number[], { kind, length, gap }: ScaleOptions): Scale {
  const isAllowed = (value: number) => Number.isFinite(value) && (kind === "linear" || value > 0);
  const strange = values.length === 0 ? "none" : values.find((value) => !isAllowed(value));
  if (strange !== undefined) {
    const rule = kind === "log" ? "numbers above 0" : "finite numbers";
    throw new Error(`chart: a ${kind} axis must have ${rule}, got ${strange}; leave such points out`);
  }
  const forth = kind === "log" ? Math.log : (value: number) => value;
  const back = kind === "log" ? Math.exp : (value: number) => value;
  const [low, high] = paddedRange(values.map(forth), kind);
  const at = (value: number) => ((forth(value) - low) / (high - low)) * length;
  const most = Math.max(2, Math.floor(length / gap));
  const ticks =
    kind === "log"
      ? logTicks(back(low), back(high), most, (found) => isSpaced(found.map(at), gap))
      : linearTicks(low, high, most);
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : 1;
  const text = (value: number) => (kind === "log" ? shortNumber(value) : linearText(value, step));
  return { at, ticks: ticks.map((value) => ({ at: at(value), text: text(value) })) };
}

function paddedRange(values: readonly number[], kind: AxisKind): [low: number, high: number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const size = kind === "log" ? 1 : Math.max(Math.abs(low), Math.abs(high));
  const isWide = high - low > ROUNDING * size;
  const room = isWide ? PADDING * (high - low) : kind === "log" ? 0.5 : 0.1 * size || 1;
  return [low - room, high + room];
}

/** Multiples of 1, 2 or 5 times a power of ten. */
function linearTicks(low: number, high: number, most: number): number[] {
  const least = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= least * (1 - ROUNDING))!;
  const first = Math.ceil(low / step - ROUNDING);
  const count = Math.floor(high / step + ROUNDING) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}

/** The densest ticks that fit; over less than about a decade those of a linear axis, if there are more of them. */
function logTicks(low: number, high: number, most: number, fits: (ticks: readonly number[]) => boolean): number[] {
  const decades = numbers(Math.floor(Math.log10(low)), Math.floor(Math.log10(high)));
  const within = (ticks: readonly number[]) => ticks.filter((tick) => tick >= low && tick <= high);
  const dense = MANTISSAS.map((leading) =>
    within(decades.flatMap((power) => leading.map((digit) => digit * 10 ** power))),
  );
  const sparse = numbers(2, decades.length).map((every) =>
    within(decades.filter((power) => power % every === 0).map((power) => 10 ** power)),
  );
  const ticks = [...dense, ...sparse].find(fits) ?? [];
  if (ticks.length >= FEW_TICKS) return ticks;
  // Spaced evenly, they are closest together at the axis's end: fewer may fit where as many as `most` do not.
  const linear = numbers(0, most - 1).map((fewer) => within(linearTicks(low, high, most - fewer)));
  return linear.find((found) => found.length > ticks.length && fits(found)) ?? ticks;
}

const isSpaced = (places: readonly number[], gap: number): boolean =>
  places.every((place, i) => i === 0 || place - places[i - 1]! >= gap);

const numbers = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

/** All ticks of an axis with as many decimals. */
function linearText(value: number, step: number): string {
  if (step >= 1 || step < 1e-6) return shortNumber(Math.abs(value) < step / 2 ? 0 : value, 4);
  return value.toFixed(Math.ceil(-Math.log10(step) - ROUNDING));
}
