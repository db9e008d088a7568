import { runsOf } from "./cells.ts";
import { bitsPerByte, type FamilyFit } from "./fit.ts";
import { misfit } from "./minimum.ts";
import type { RunResult } from "./runResult.ts";
import type { Interval } from "./statistics.ts";

type Cell = string | number | boolean | null;
type Row = Readonly<Record<string, Cell>>;

/** `runs.csv`: a row for each run with every single number, text and truth value of its result; lists are left out. */
export function runsCsv(results: readonly RunResult[]): string {
  // The configuration is long: it comes last.
  return csv(results.map(({ config, ...result }) => ({ ...scalars(result, ""), ...scalars(config, "config.") })));
}

/** `minima.csv`: a row for each budget and family, its 95 % intervals included. */
export function minimaCsv(fits: readonly FamilyFit[]): string {
  return csv(fits.map(minimumRow));
}

function minimumRow(fit: FamilyFit): Row {
  const { budget, family, sizes, planned, minimum, intervals } = fit;
  const runs = runsOf(fit);
  const bits = (nats: number) => bitsPerByte(nats, runs[0]!);
  const measure = (name: string, value: number | undefined, interval: Interval | undefined) => ({
    [name]: value ?? null,
    [`${name}.low`]: interval?.low ?? null,
    [`${name}.high`]: interval?.high ?? null,
  });
  const inBits = intervals?.lossNats && { low: bits(intervals.lossNats.low), high: bits(intervals.lossNats.high) };
  return {
    ...{ budget, family, sizes: sizes.length, runs: runs.length, planned, bracketed: minimum?.bracketed ?? null },
    bracketedShare: intervals?.bracketedShare ?? null,
    ...measure("parameters", minimum?.parameters, intervals?.parameters),
    ...measure("forwardFlopsPerToken", minimum?.forwardFlopsPerToken, intervals?.forwardFlopsPerToken),
    ...measure("lossNats", minimum?.lossNats, intervals?.lossNats),
    ...measure("bitsPerByte", minimum === null ? undefined : bits(minimum.lossNats), inBits),
    misfitNats: minimum === null ? null : misfit(minimum, sizes),
  };
}

/** Single values by their paths. */
function scalars(value: object, prefix: string): Row {
  const entries = Object.entries(value).flatMap(([key, each]): [string, Cell][] => {
    if (Array.isArray(each)) return [];
    if (typeof each === "object" && each !== null) return Object.entries(scalars(each, `${prefix}${key}.`));
    return [[`${prefix}${key}`, each as Cell]];
  });
  return Object.fromEntries(entries);
}

/** A column for every key that a row has (RFC 4180, lines ended by a line feed). */
function csv(rows: readonly Row[]): string {
  const keys = [...new Set(rows.flatMap(Object.keys))];
  const lines = [keys, ...rows.map((row) => keys.map((key) => row[key] ?? null))];
  return lines.map((cells) => `${cells.map(cellText).join(",")}\n`).join("");
}

function cellText(cell: Cell): string {
  const text = cell === null ? "" : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
