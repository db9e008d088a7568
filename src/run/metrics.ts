/** `metrics.jsonl`: one JSON object a line, appended while training. */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { writeAll, writeFailure, writeFileAtomic } from "../files/atomic.ts";
import {
  checkStep,
  type MetricsLine,
  type MetricsRecord,
  metricsLine,
  metricsLines,
  parseRecord,
} from "./metricsFormat.ts";

/**
 * Appends records. Each line reaches the operating system at once, so that a reader beside sees it; `flush` makes all of
 * them durable.
 */
export class MetricsWriter {
  readonly path: string;
  #file: number;
  #bytes: number;

  /** Opens or creates the file; a line that a killed writer left unfinished is dropped. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#file = openSync(path, "a");
    } catch (cause) {
      throw writeFailure("MetricsWriter", path, cause);
    }
    this.#bytes = this.#repairEnd();
  }

  append(record: MetricsRecord): void {
    const line = new TextEncoder().encode(metricsLine(record));
    try {
      writeAll(this.#file, line);
    } catch (cause) {
      // Part of the line may be there: the file must stay one of whole lines for whoever appends next.
      ftruncateSync(this.#file, this.#bytes);
      throw writeFailure("MetricsWriter", this.path, cause);
    }
    this.#bytes += line.byteLength;
  }

  flush(): void {
    try {
      fsyncSync(this.#file);
    } catch (cause) {
      throw writeFailure("MetricsWriter", this.path, cause);
    }
  }

  /** Drops the records of later steps than `step`, so that a run resumed from there repeats no line. */
  truncateAfter(step: number): void {
    checkStep(step, "MetricsWriter.truncateAfter");
    const lines = readLines(this.path);
    const kept = lines.filter(({ record }) => record.step <= step).map(({ text }) => `${text}\n`);
    if (kept.length === lines.length) return;
    writeFileAtomic(this.path, kept.join(""));
    // The old handle belongs to the file that has just been replaced.
    closeSync(this.#file);
    this.#file = openSync(this.path, "a");
    this.#bytes = Buffer.byteLength(kept.join(""));
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }

  #repairEnd(): number {
    const text = readFileSync(this.path);
    const lineEnd = text.lastIndexOf("\n") + 1;
    const isTorn = lineEnd < text.byteLength && parseRecord(text.toString("utf8", lineEnd)) === null;
    if (isTorn) ftruncateSync(this.#file, lineEnd);
    if (isTorn || lineEnd === text.byteLength) return lineEnd;
    writeAll(this.#file, new TextEncoder().encode("\n"));
    return text.byteLength + 1;
  }
}

/**
 * All records of a metrics file, in order; none if the file is not there yet. A last line that is not finished, as a
 * writer at work or a killed one leaves it, is left out.
 *
 * @throws where any other line is not a record.
 */
export function readMetrics(path: string): MetricsRecord[] {
  return readLines(path).map(({ record }) => record);
}

const readLines = (path: string): MetricsLine[] =>
  existsSync(path) ? metricsLines(readFileSync(path, "utf8"), path) : [];
