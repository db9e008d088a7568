import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { MetricsRecord } from "../run/metricsFormat.ts";
import { parseRecord } from "./metricsFile.ts";

/** What a list tells of a run, without reading all of its metrics. */
export interface Glance {
  readonly lastStep: MetricsRecord | null;
  readonly lastEvaluation: MetricsRecord | null;
  /** Steps at about even distances, from the first on. */
  readonly sampled: readonly MetricsRecord[];
}

const NOTHING: Glance = { lastStep: null, lastEvaluation: null, sampled: [] };
const SAMPLES = 40;
/** Longer than a line: one of twelve routed layers has some 5 kB. */
const PIECE_BYTES = 16_384;
/** How far back the last evaluation is looked for. */
const TAIL_BYTES = 4 << 20;

/** Reads a metrics file at some forty places, and its end up to the last evaluation. */
export function glanceAt(path: string): Glance {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return NOTHING;
  }
  try {
    const { size } = fstatSync(file);
    if (size <= SAMPLES * PIECE_BYTES) return glanceOf(recordsIn(file, 0, size));
    return { ...tail(file, size), sampled: samples(file, size) };
  } finally {
    closeSync(file);
  }
}

function glanceOf(records: readonly MetricsRecord[]): Glance {
  const steps = records.filter(isStep);
  const count = Math.min(SAMPLES, steps.length);
  return {
    lastStep: steps.at(-1) ?? null,
    lastEvaluation: records.findLast(isEvaluation) ?? null,
    sampled: Array.from({ length: count }, (_, i) => steps[Math.floor((i * steps.length) / count)]!),
  };
}

const isStep = ({ kind }: MetricsRecord): boolean => kind === "step";
const isEvaluation = ({ kind }: MetricsRecord): boolean => kind === "evaluation";

/** The last step and evaluation, from ever longer stretches of the file's end. */
function tail(file: number, size: number): Omit<Glance, "sampled"> {
  for (let bytes = 4 * PIECE_BYTES; ; bytes *= 4) {
    const start = Math.max(0, size - bytes);
    const records = recordsIn(file, start, size);
    const [lastStep, lastEvaluation] = [records.findLast(isStep) ?? null, records.findLast(isEvaluation) ?? null];
    const isFound = lastStep !== null && lastEvaluation !== null;
    if (isFound || start === 0 || bytes >= TAIL_BYTES) return { lastStep, lastEvaluation };
  }
}

function samples(file: number, size: number): MetricsRecord[] {
  const starts = Array.from({ length: SAMPLES }, (_, i) => Math.floor((i * (size - PIECE_BYTES)) / (SAMPLES - 1)));
  return starts.flatMap((start) => recordsIn(file, start, start + PIECE_BYTES).find(isStep) ?? []);
}

/** The records whose lines lie wholly between two places of a file. */
function recordsIn(file: number, start: number, end: number): MetricsRecord[] {
  const bytes = Buffer.allocUnsafe(end - start);
  const read = readSync(file, bytes, 0, bytes.byteLength, start);
  const lines = bytes.toString("utf8", 0, read).split("\n");
  return lines.slice(start === 0 ? 0 : 1).flatMap((line) => parseRecord(line) ?? []);
}
