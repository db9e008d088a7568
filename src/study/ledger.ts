import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";

/** What happened to a run, and when. */
export interface LedgerEntry {
  readonly at: string;
  readonly id: string;
  readonly kind: "started" | "resumed" | "interrupted" | "failed" | "finished";
  readonly pid: number;
  readonly host: string;
  /** Of a failure. */
  readonly error?: string;
}

/**
 * Adds a line to the ledger. One line is one write: those of several processes do not mix. It begins with a line's end, so that it
 * stands alone behind one that was cut short.
 */
export function note(ledger: string, id: string, kind: LedgerEntry["kind"], error?: string): void {
  mkdirSync(path.dirname(ledger), { recursive: true });
  const entry: LedgerEntry = { at: new Date().toISOString(), id, kind, pid: process.pid, host: hostname() };
  appendFileSync(ledger, `\n${JSON.stringify(error === undefined ? entry : { ...entry, error })}\n`);
}

/** All entries, in order; a line that a killed process left unfinished is passed over. */
export function readLedger(ledger: string): LedgerEntry[] {
  if (!existsSync(ledger)) return [];
  return readFileSync(ledger, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as LedgerEntry];
      } catch {
        return [];
      }
    });
}

/** The failures of runs whose last entries they are, by the runs' ids. */
export function failures(entries: readonly LedgerEntry[]): Map<string, LedgerEntry> {
  const last = new Map(entries.map((entry) => [entry.id, entry]));
  return new Map([...last].filter(([, { kind }]) => kind === "failed"));
}
