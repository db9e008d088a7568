/** Numbers and times as the page writes them. */
import { shortNumber } from "../../src/render/shortNumber.ts";

const NONE = "–";

export const short = (value: number | null | undefined, digits = 3): string =>
  value === null || value === undefined || !Number.isFinite(value) ? NONE : shortNumber(value, digits);

export const fixed = (value: number | null | undefined, decimals: number): string =>
  value === null || value === undefined || !Number.isFinite(value) ? NONE : value.toFixed(decimals).replace("-", "−");

export const percent = (share: number | null | undefined, decimals = 1): string =>
  share === null || share === undefined || !Number.isFinite(share) ? NONE : `${(100 * share).toFixed(decimals)} %`;

/** `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How long ago, in one word and a half. */
export function ago(ms: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 60) return "just now";
  const [size, unit] = seconds < 3600 ? [60, "min"] : seconds < 86_400 ? [3600, "h"] : [86_400, "d"];
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

/** `1.2 MB` */
export const bytes = (count: number): string => `${shortNumber(count)}B`.replace(/(\d)(B|[kMG])/, "$1 $2");

export const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}.`;
