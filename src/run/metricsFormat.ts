/** The lines of `metrics.jsonl`: one JSON object each. */
import { describeValue, excerpt, isPlainObject, type JsonObject } from "./json.ts";

/** One line: the step it belongs to, and whatever was measured. */
export interface MetricsRecord extends JsonObject {
  readonly step: number;
}

/** A record and the line that it stands in, without its end. */
export interface MetricsLine {
  readonly text: string;
  readonly record: MetricsRecord;
}

/** A record as a line. Numbers that are not finite (the loss of a diverged run) are written as null: JSON has no others. */
export function metricsLine(record: MetricsRecord): string {
  checkStep(record.step, "MetricsWriter");
  return `${JSON.stringify(record)}\n`;
}

/**
 * The lines of a metrics file, in order. A last line that is not finished, as a writer at work or a killed one leaves it, is
 * left out.
 *
 * @param path what errors call the file
 * @throws where any other line is not a record
 */
export function metricsLines(content: string, path: string): MetricsLine[] {
  const lines = content.split("\n");
  return lines.flatMap((text, i) => {
    const isLast = i === lines.length - 1;
    if (isLast && text === "") return [];
    const record = parseRecord(text);
    if (record !== null) return [{ text, record }];
    if (isLast) return [];
    throw new Error(
      `readMetrics: ${path} line ${i + 1} must be a JSON object with an integer step, got ${excerpt(text)}; delete that line`,
    );
  });
}

/** A line as a record; null where it is none. */
export function parseRecord(text: string): MetricsRecord | null {
  try {
    const value: unknown = JSON.parse(text);
    return isPlainObject(value) && isStep(value.step) ? (value as MetricsRecord) : null;
  } catch {
    return null;
  }
}

function isStep(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function checkStep(step: unknown, where: string): void {
  if (!isStep(step)) {
    throw new Error(`${where}: step must be an integer >= 0, got ${describeValue(step)}; count optimizer steps`);
  }
}
