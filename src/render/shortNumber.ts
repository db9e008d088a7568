const UNITS = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** A number for people, with so many significant digits at most: `150k`, `1.5M`, `3e12`, `0.25`. */
export function shortNumber(value: number, digits = 3): string {
  const rounded = Number(value.toPrecision(digits));
  const size = Math.abs(rounded);
  if (size >= 1e12 || (size > 0 && size < 1e-4)) return rounded.toExponential().replace("e+", "e");
  const [unit, sign] = UNITS.find(([least]) => size >= least) ?? [1, ""];
  return `${Number((rounded / unit).toPrecision(digits))}${sign}`;
}
