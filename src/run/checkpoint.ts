/**
 * Checkpoints of a run: `RUN/checkpoints/step-00000100/`, each whole or absent, each verified when it is read.
 *
 * One process writes (see `lockRun`), any number read at the same time.
 */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  cleanTemporary,
  removeFolderAtomic,
  syncFolder,
  writeFailure,
  writeFileAtomic,
  writeFolderAtomic,
} from "../files/atomic.ts";
import type { NamedArrays } from "../notation.ts";
import {
  CHECKPOINT_FILE,
  checkDigest,
  checkpointName,
  encodeManifest,
  OPTIMIZER_FILE,
  readManifest,
  stepOfName,
  WEIGHTS_FILE,
} from "./checkpointFormat.ts";
import type { JsonObject } from "./json.ts";
import { readSafetensorsFile, writeSafetensorsFile } from "./safetensorsFile.ts";

export interface CheckpointContent {
  /** Optimizer steps done. */
  readonly step: number;
  readonly weights: NamedArrays;
  readonly optimizer: NamedArrays;
  /** Everything else that resuming needs: data position, random states, hashes. Finite numbers only. */
  readonly state: JsonObject;
  /** Nats per token. A loss that is not finite is kept as "not measured", and is never the best. */
  readonly validationLoss?: number | undefined;
}

export interface Retention {
  /** How many of the newest checkpoints stay; `Infinity` keeps all. */
  readonly keepLast: number;
  /** Whether the checkpoint of lowest validation loss stays as well. */
  readonly keepBest: boolean;
}

export interface WrittenCheckpoint {
  readonly dir: string;
  /** Folders that the retention rule removed. */
  readonly removed: readonly string[];
  /** Folders that it should have removed but could not: the new checkpoint is safe all the same. */
  readonly notRemoved: readonly Skipped[];
}

export interface Checkpoint extends CheckpointContent {
  readonly dir: string;
}

export interface Skipped {
  readonly dir: string;
  readonly reason: string;
}

export interface FoundCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Better candidates that could not be read, and why. */
  readonly skipped: readonly Skipped[];
}

export interface CheckpointSummary {
  readonly dir: string;
  readonly step: number;
  readonly validationLoss: number | null;
  /** Of weights and optimizer state together. */
  readonly bytes: number;
  /** Why it can't be used, as far as `checkpoint.json` and the file sizes tell; null if nothing is wrong. */
  readonly problem: string | null;
}

export interface ReadOptions {
  /** False leaves `optimizer` empty and its file unread: all that sampling and evaluation need. Default true. */
  readonly withOptimizer?: boolean;
}

/**
 * Saves a checkpoint and then removes those that `retention` does not keep. An existing checkpoint is deleted only after
 * the new one is durable; one of the same step is replaced.
 *
 * @throws WriteError where the device is full or refuses: everything saved before is still there, nothing half-written is.
 */
export function writeCheckpoint(runDir: string, content: CheckpointContent, retention: Retention): WrittenCheckpoint {
  checkRetention(retention);
  const folder = checkpointsFolder(runDir);
  const dir = join(folder, checkpointName(content.step));
  prepareFolder(folder);
  writeFolderAtomic(dir, (temp) => {
    const files = {
      [WEIGHTS_FILE]: writeSafetensorsFile(join(temp, WEIGHTS_FILE), content.weights),
      [OPTIMIZER_FILE]: writeSafetensorsFile(join(temp, OPTIMIZER_FILE), content.optimizer),
    };
    const { step, state, validationLoss: loss } = content;
    const validationLoss = loss !== undefined && Number.isFinite(loss) ? loss : null;
    writeFileAtomic(join(temp, CHECKPOINT_FILE), encodeManifest({ step, validationLoss, state, files }));
  });
  return { dir, ...prune(runDir, dir, retention) };
}

/** Reads one checkpoint folder and verifies sizes and checksums of everything it returns. */
export function readCheckpoint(dir: string, { withOptimizer = true }: ReadOptions = {}): Checkpoint {
  const { step, validationLoss, state, files } = readManifest(dir);
  const read = (name: typeof WEIGHTS_FILE | typeof OPTIMIZER_FILE): NamedArrays => {
    const { arrays, digest } = readSafetensorsFile(join(dir, name));
    checkDigest(dir, name, files[name], digest);
    return arrays;
  };
  const weights = read(WEIGHTS_FILE);
  const optimizer: NamedArrays = withOptimizer ? read(OPTIMIZER_FILE) : new Map();
  return { dir, step, weights, optimizer, state, ...(validationLoss === null ? {} : { validationLoss }) };
}

/**
 * The newest checkpoint that is intact, and the newer ones that are not. Null if the run has none at all.
 *
 * @throws where there are checkpoints but none can be read.
 */
export function latestCheckpoint(runDir: string, options: ReadOptions = {}): FoundCheckpoint | null {
  const candidates = listCheckpoints(runDir).reverse();
  return firstReadable("latestCheckpoint", runDir, candidates, [], options);
}

/**
 * The intact checkpoint of lowest validation loss. Null if the run has none with a loss.
 *
 * @throws where there are candidates but none can be read.
 */
export function bestCheckpoint(runDir: string, options: ReadOptions = {}): FoundCheckpoint | null {
  const summaries = listCheckpoints(runDir);
  // The loss of a checkpoint without a readable checkpoint.json is unknown: it might have been the best.
  const unknown = summaries.filter(({ problem }) => problem !== null).map(skippedSummary);
  const candidates = summaries.filter(({ problem, validationLoss }) => problem === null && validationLoss !== null);
  return firstReadable("bestCheckpoint", runDir, candidates.sort(byLoss), unknown, options);
}

/** Every checkpoint of a run, oldest first, from `checkpoint.json` and file sizes alone: fast, no checksums. */
export function listCheckpoints(runDir: string): CheckpointSummary[] {
  const folder = checkpointsFolder(runDir);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => {
      const step = stepOfName(name);
      return step === null ? [] : [summarise(join(folder, name), step)];
    })
    .sort((a, b) => a.step - b.step);
}

/**
 * Removes the checkpoints of later steps than `step`, and returns their folders. For a run that goes on from an older
 * checkpoint: the later ones belong to a history that is about to be written anew.
 */
export function removeCheckpointsAfter(runDir: string, step: number): string[] {
  const later = listCheckpoints(runDir).filter((summary) => summary.step > step);
  for (const { dir } of later) removeFolderAtomic(dir);
  return later.map(({ dir }) => dir);
}

/** The folder that holds a run's checkpoints. */
export function checkpointsFolder(runDir: string): string {
  return join(runDir, "checkpoints");
}

function checkRetention({ keepLast }: Retention): void {
  if (keepLast === Number.POSITIVE_INFINITY || (Number.isSafeInteger(keepLast) && keepLast >= 1)) return;
  throw new Error(
    `writeCheckpoint: keepLast must be an integer >= 1 or Infinity, got ${keepLast}; use 1 to keep only the newest`,
  );
}

function prepareFolder(folder: string): void {
  try {
    if (mkdirSync(folder, { recursive: true })) syncFolder(dirname(folder));
    cleanTemporary(folder);
  } catch (cause) {
    throw writeFailure("writeCheckpoint", folder, cause);
  }
}

function summarise(dir: string, step: number): CheckpointSummary {
  try {
    const { validationLoss, files } = readManifest(dir);
    return { dir, step, validationLoss, bytes: files[WEIGHTS_FILE].bytes + files[OPTIMIZER_FILE].bytes, problem: null };
  } catch (error) {
    return { dir, step, validationLoss: null, bytes: 0, problem: (error as Error).message };
  }
}

function prune(runDir: string, written: string, retention: Retention): Omit<WrittenCheckpoint, "dir"> {
  const all = listCheckpoints(runDir);
  // The one just written counts as the newest whatever its step is. Unreadable ones count for nothing, and stay: a
  // newer release may have written them, or their owner may want to look at them.
  const readable = all.filter(({ problem }) => problem === null);
  const older = readable.filter(({ dir }) => dir !== written);
  const last = retention.keepLast === 1 ? [] : older.slice(-(retention.keepLast - 1));
  const best = readable.filter(({ validationLoss }) => validationLoss !== null).sort(byLoss)[0];
  const kept = new Set([written, ...last.map(({ dir }) => dir), ...(retention.keepBest && best ? [best.dir] : [])]);
  const removed: string[] = [];
  const notRemoved: Skipped[] = [];
  for (const { dir } of older.filter((summary) => !kept.has(summary.dir))) {
    try {
      removeFolderAtomic(dir);
      removed.push(dir);
    } catch (error) {
      notRemoved.push({ dir, reason: (error as Error).message });
    }
  }
  return { removed, notRemoved };
}

/** Lowest loss first; of equal losses the newer first. */
function byLoss(a: CheckpointSummary, b: CheckpointSummary): number {
  return a.validationLoss! - b.validationLoss! || b.step - a.step;
}

function firstReadable(
  where: string,
  runDir: string,
  candidates: readonly CheckpointSummary[],
  alreadySkipped: readonly Skipped[],
  options: ReadOptions,
): FoundCheckpoint | null {
  const skipped = [...alreadySkipped];
  for (const { dir, problem } of candidates) {
    if (problem !== null) {
      skipped.push({ dir, reason: problem });
      continue;
    }
    try {
      return { checkpoint: readCheckpoint(dir, options), skipped };
    } catch (error) {
      skipped.push({ dir, reason: (error as Error).message });
    }
  }
  if (skipped.length === 0) return null;
  const reasons = skipped.map(({ dir, reason }) => `\n  ${basename(dir)}: ${reason}`).join("");
  throw new Error(
    `${where}: ${runDir} must hold a checkpoint that is intact, got ${skipped.length} that are not; restore one from a copy, or train anew with another --out:${reasons}`,
  );
}

function skippedSummary({ dir, problem }: CheckpointSummary): Skipped {
  return { dir, reason: problem ?? "" };
}
