import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { isPlainObject } from "../run/json.ts";
import type { MetricsRecord } from "../run/metricsFormat.ts";
import type { Cursor } from "./api.ts";
import { evaluationRow, stepRow } from "./metricsColumns.ts";
import { Table } from "./table.ts";

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 10;

/** Tells a file from one that took its place. */
export const fileIdentity = ({ dev, ino, birthtimeMs }: Stats): string => `${dev}-${ino}-${Math.round(birthtimeMs)}`;

/** Reads metrics as they grow: each `refresh` takes in the lines that were finished since the last. */
export class MetricsFile {
  readonly #path: string;
  #identity = "none";
  #offset = 0;
  #seconds = 0;
  steps = new Table();
  evaluations = new Table();

  constructor(path: string) {
    this.#path = path;
  }

  get cursor(): Cursor {
    return { file: this.#identity, steps: this.steps.count, evaluations: this.evaluations.count };
  }

  refresh(): void {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    const identity = found === undefined ? "none" : fileIdentity(found);
    if (identity !== this.#identity || (found !== undefined && found.size < this.#offset)) this.#startAgain(identity);
    if (found === undefined || found.size === this.#offset) return;
    const file = openSync(this.#path, "r");
    try {
      this.#readLines(file);
    } finally {
      closeSync(file);
    }
  }

  #startAgain(identity: string): void {
    [this.#identity, this.#offset, this.#seconds] = [identity, 0, 0];
    [this.steps, this.evaluations] = [new Table(), new Table()];
  }

  /** Whole lines alone: the rest of the last is read when it is finished. */
  #readLines(file: number): void {
    let rest = Buffer.alloc(0);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let at = this.#offset; ; ) {
      const read = readSync(file, chunk, 0, CHUNK_BYTES, at);
      if (read === 0) return;
      at += read;
      const bytes = Buffer.concat([rest, chunk.subarray(0, read)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      for (const line of bytes.toString("utf8", 0, end).split("\n")) this.#addLine(line);
      this.#offset += end;
      rest = bytes.subarray(end);
    }
  }

  /** A line that is no record is passed over: a page that shows the others is of more use than none. */
  #addLine(line: string): void {
    const record = parseRecord(line);
    if (record?.kind === "step") {
      const row = stepRow(record);
      this.#seconds += (row.stepMs ?? 0) / 1000;
      this.steps.add({ ...row, seconds: this.#seconds });
    } else if (record?.kind === "evaluation") {
      const at = (name: string) => this.steps.last(name);
      this.evaluations.add({
        ...evaluationRow(record),
        ...{ tokens: at("tokens"), flops: at("flops"), seconds: this.#seconds },
      });
    }
  }
}

export function parseRecord(line: string): MetricsRecord | null {
  if (line === "") return null;
  try {
    const value: unknown = JSON.parse(line);
    return isPlainObject(value) && Number.isSafeInteger(value.step) ? (value as unknown as MetricsRecord) : null;
  } catch {
    return null;
  }
}
