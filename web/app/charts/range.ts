/** Which stretch of an x axis is shown. */
import { shortNumber } from "../../../src/render/shortNumber.ts";

export type Range = readonly [low: number, high: number];

/** The range that a key leads to; undefined for a key that leads nowhere. */
export function movedRange(key: string, full: Range, shown: Range | null): Range | null | undefined {
  const [low, high] = shown ?? full;
  const size = high - low;
  const within = (start: number, length: number): Range | null => {
    if (length >= full[1] - full[0]) return null;
    const first = Math.min(Math.max(full[0], start), full[1] - length);
    return [first, first + length];
  };
  switch (key) {
    case "+":
    case "=":
      return within(low + size / 4, size / 2);
    case "-":
      return within(low - size / 2, size * 2);
    case "ArrowLeft":
      return within(low - size / 4, size);
    case "ArrowRight":
      return within(low + size / 4, size);
    case "0":
    case "Escape":
      return null;
    default:
      return undefined;
  }
}

/** As it stands in an address: `100~2k`, empty for all. */
export const formatRange = (range: Range | null): string =>
  range === null ? "" : range.map((value) => shortNumber(value, 6)).join("~");

/** null for what is no range. */
export function parseRange(text: string): Range | null {
  const [low, high, ...rest] = text.split("~").map(parseShort);
  if (low === undefined || high === undefined || rest.length > 0) return null;
  return Number.isFinite(low) && Number.isFinite(high) && low < high ? [low, high] : null;
}

function parseShort(text: string): number {
  const unit = { k: 1e3, M: 1e6, G: 1e9 }[text.at(-1)!];
  return unit === undefined ? Number(text || "none") : Number(text.slice(0, -1)) * unit;
}
