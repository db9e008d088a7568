/**
 * Checkpoints of a run: `RUN/checkpoints/step-00000100/`, each whole or absent, each verified when it is read.
 *
 * One process writes (see `lockRun`), any number read at the same time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
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
  bestOf,
  type CheckpointSource,
  checkRetention,
  latestOf,
  type Retention,
  removable,
} from "./checkpointChoice.ts";
import {
  type Checkpoint,
  type CheckpointContent,
  type CheckpointSummary,
  type FoundCheckpoint,
  keptLoss,
  type Skipped,
} from "./checkpointContent.ts";
import {
  CHECKPOINT_FILE,
  type CheckpointManifest,
  checkDigest,
  checkpointName,
  decodeManifest,
  encodeManifest,
  OPTIMIZER_FILE,
  stepOfName,
  WEIGHTS_FILE,
} from "./checkpointFormat.ts";
import { readSafetensorsFile, writeSafetensorsFile } from "./safetensorsFile.ts";

export interface WrittenCheckpoint {
  readonly dir: string;
  /** Folders that the retention rule removed. */
  readonly removed: readonly string[];
  /** Folders that it should have removed but could not: the new checkpoint is safe all the same. */
  readonly notRemoved: readonly Skipped[];
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
    const { step, state } = content;
    const manifest = encodeManifest({ step, validationLoss: keptLoss(content), state, files });
    writeFileAtomic(join(temp, CHECKPOINT_FILE), manifest);
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
  return latestOf(sourceOf(runDir, options));
}

/**
 * The intact checkpoint of lowest validation loss. Null if the run has none with a loss.
 *
 * @throws where there are candidates but none can be read.
 */
export function bestCheckpoint(runDir: string, options: ReadOptions = {}): FoundCheckpoint | null {
  return bestOf(sourceOf(runDir, options));
}

const sourceOf = (runDir: string, options: ReadOptions): CheckpointSource => ({
  name: runDir,
  summaries: listCheckpoints(runDir),
  read: (dir) => readCheckpoint(dir, options),
});

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
  const removed: string[] = [];
  const notRemoved: Skipped[] = [];
  for (const { dir } of removable(listCheckpoints(runDir), written, retention)) {
    try {
      removeFolderAtomic(dir);
      removed.push(dir);
    } catch (error) {
      notRemoved.push({ dir, reason: (error as Error).message });
    }
  }
  return { removed, notRemoved };
}

/** `checkpoint.json` of a checkpoint folder; checks every field, and that the files it names have their size. */
export function readManifest(dir: string): CheckpointManifest {
  return decodeManifest(readText(dir), dir, (name) => {
    const found = statSync(join(dir, name), { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  });
}

function readText(dir: string): string {
  try {
    return readFileSync(join(dir, CHECKPOINT_FILE), "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new Error(`readCheckpoint: ${dir} must hold ${CHECKPOINT_FILE}, got ${code}; use another checkpoint`, {
      cause,
    });
  }
}
