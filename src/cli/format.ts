/** A number for people: `1.23M`, `45.6k`, `2.00e+13`. */
export function compact(value: number): string {
  if (value === 0) return "0";
  for (const [limit, unit] of [
    [1e12, ""],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (Math.abs(value) >= limit)
      return unit === "" ? value.toExponential(2) : `${(value / limit).toPrecision(3)}${unit}`;
  }
  return String(Number(value.toPrecision(3)));
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Rows under headings, columns as wide as they must be; numbers to the right. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
  const isNumber = headings.map((_, i) => rows.every((row) => /^(-|[-+]?\d.*)$/.test(row[i]!)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(headings), ...rows.map(line)].join("\n");
}
