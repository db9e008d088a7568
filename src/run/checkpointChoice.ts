/** Which checkpoints of a run stay, and which is read: the same wherever they are kept. */
import type { Checkpoint, CheckpointSummary, FoundCheckpoint, Skipped } from "./checkpointContent.ts";

export interface Retention {
  /** How many of the newest checkpoints stay; `Infinity` keeps all. */
  readonly keepLast: number;
  /** Whether the checkpoint of lowest validation loss stays as well. */
  readonly keepBest: boolean;
}

export function checkRetention({ keepLast }: Retention): void {
  if (keepLast === Number.POSITIVE_INFINITY || (Number.isSafeInteger(keepLast) && keepLast >= 1)) return;
  throw new Error(
    `writeCheckpoint: keepLast must be an integer >= 1 or Infinity, got ${keepLast}; use 1 to keep only the newest`,
  );
}

/**
 * The checkpoints that a retention rule removes. The one just written counts as the newest whatever its step is. Unreadable
 * ones count for nothing, and stay: a newer release may have written them, or their owner may want to look at them.
 */
export function removable(
  all: readonly CheckpointSummary[],
  written: string,
  { keepLast, keepBest }: Retention,
): CheckpointSummary[] {
  const readable = all.filter(({ problem }) => problem === null);
  const older = readable.filter(({ dir }) => dir !== written);
  const last = keepLast === 1 ? [] : older.slice(-(keepLast - 1));
  const best = readable.filter(({ validationLoss }) => validationLoss !== null).sort(byLoss)[0];
  const kept = new Set([written, ...last.map(({ dir }) => dir), ...(keepBest && best ? [best.dir] : [])]);
  return older.filter(({ dir }) => !kept.has(dir));
}

/** A run's checkpoints and how they are read. */
export interface CheckpointSource {
  /** What errors call the run. */
  readonly name: string;
  /** Oldest first. */
  readonly summaries: readonly CheckpointSummary[];
  /** @throws where the checkpoint is damaged */
  read(dir: string): Checkpoint;
}

/** The newest checkpoint that is intact; see `latestCheckpoint` in checkpoint.ts. */
export const latestOf = (source: CheckpointSource): FoundCheckpoint | null =>
  firstReadable("latestCheckpoint", source, [...source.summaries].reverse(), []);

/** The intact checkpoint of lowest validation loss; see `bestCheckpoint` in checkpoint.ts. */
export function bestOf(source: CheckpointSource): FoundCheckpoint | null {
  // The loss of a checkpoint without a readable checkpoint.json is unknown: it might have been the best.
  const unknown = source.summaries.filter(({ problem }) => problem !== null).map(skippedSummary);
  const known = source.summaries.filter(({ problem, validationLoss }) => problem === null && validationLoss !== null);
  return firstReadable("bestCheckpoint", source, [...known].sort(byLoss), unknown);
}

/** Lowest loss first; of equal losses the newer first. */
function byLoss(a: CheckpointSummary, b: CheckpointSummary): number {
  return a.validationLoss! - b.validationLoss! || b.step - a.step;
}

function firstReadable(
  where: string,
  { name, read }: CheckpointSource,
  candidates: readonly CheckpointSummary[],
  alreadySkipped: readonly Skipped[],
): FoundCheckpoint | null {
  const skipped = [...alreadySkipped];
  for (const { dir, problem } of candidates) {
    if (problem !== null) {
      skipped.push({ dir, reason: problem });
      continue;
    }
    try {
      return { checkpoint: read(dir), skipped };
    } catch (error) {
      skipped.push({ dir, reason: (error as Error).message });
    }
  }
  if (skipped.length === 0) return null;
  const reasons = skipped.map(({ dir, reason }) => `\n  ${dir.split(/[\\/]/).at(-1)}: ${reason}`).join("");
  throw new Error(
    `${where}: ${name} must hold a checkpoint that is intact, got ${skipped.length} that are not; restore one from a copy, or train anew with another --out:${reasons}`,
  );
}

function skippedSummary({ dir, problem }: CheckpointSummary): Skipped {
  return { dir, reason: problem ?? "" };
}
