/** Widths of DejaVu Sans over the font size: of kinds of letters, each by its widest common one. */
const WIDTHS = [
  [/[ijl'|]/, 0.28],
  [/[frtI\s.,:;()[\]/-]/, 0.41],
  [/[mwMW%@★☆]/, 0.97],
  [/[A-Z]/, 0.73],
] as const;
const OTHERS = 0.64;
const BOLD = 1.12;

/** About how many pixels a text takes, rather too many than too few: nothing measures text here. */
export function textWidth(text: string, size: number, isBold = false): number {
  const ems = [...text].reduce((sum, letter) => sum + (WIDTHS.find(([kind]) => kind.test(letter))?.[1] ?? OTHERS), 0);
  return ems * size * (isBold ? BOLD : 1);
}
