/** The run folder: everything a training run leaves, for every consumer that looks at it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { cleanTemporary, syncFolder, writeFailure, writeFileAtomic } from "../files/atomic.ts";
import { checkpointsFolder } from "./checkpoint.ts";
import { canonicalJson, type JsonObject, parseJsonObject } from "./json.ts";
import { LOCK_FILE, lockRun } from "./lock.ts";

export interface RunPaths {
  readonly config: string;
  readonly tokenizer: string;
  readonly metrics: string;
  readonly checkpoints: string;
}

export interface Run {
  /** Absolute. */
  readonly dir: string;
  readonly paths: RunPaths;
  /** The resolved configuration, as it was saved. */
  readonly config: JsonObject;
  /** The text of `tokenizer.json`. */
  readonly tokenizerJson: string;
}

export interface NewRun {
  readonly config: JsonObject;
  readonly tokenizerJson: string;
}

/** Where things lie in a run folder, whether they are there yet or not. */
export function runPaths(dir: string): RunPaths {
  return {
    config: join(dir, "config.json"),
    tokenizer: join(dir, "tokenizer.json"),
    metrics: join(dir, "metrics.jsonl"),
    checkpoints: checkpointsFolder(dir),
  };
}

/**
 * Makes a run folder, and its parents if need be.
 *
 * @throws where the folder exists and holds something.
 */
export function createRun(dir: string, { config, tokenizerJson }: NewRun): Run {
  const paths = runPaths(dir);
  // What JSON can't hold would come back as something else.
  canonicalJson(config, "config");
  refuseUsed(dir);
  makeFolder(dir);
  const lock = lockRun(dir);
  try {
    // Again, now that no other process can come between.
    refuseUsed(dir);
    writeParts(paths, config, tokenizerJson);
  } finally {
    lock.release();
  }
  return openRun(dir);
}

/**
 * Opens a run folder for reading. Writers take `lockRun` first.
 *
 * @throws where the folder is not one that `createRun` made.
 */
export function openRun(dir: string): Run {
  const where = `openRun: ${dir}`;
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Error(
      `${where} must be a run folder, got ${existsSync(dir) ? "a file" : "nothing there"}; check the path`,
    );
  }
  const paths = runPaths(resolve(dir));
  const config = parseJsonObject(readPart(paths.config, where), where, "config.json");
  return { dir: resolve(dir), paths, config, tokenizerJson: readPart(paths.tokenizer, where) };
}

/** Clears what a killed writer left in a run folder. Only while holding its lock. Returns what was cleared. */
export function cleanRun(dir: string): string[] {
  return [...cleanTemporary(dir), ...cleanTemporary(checkpointsFolder(dir))];
}

function refuseUsed(dir: string): void {
  const found = statSync(dir, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory()) throw new Error(`createRun: ${dir} must be a folder, got a file; use another --out`);
  const names = readdirSync(dir).filter((name) => !name.startsWith(LOCK_FILE));
  if (names.length === 0) return;
  const isRun = names.includes("config.json");
  const nextStep = isRun ? "use --resume to go on with that run, or another --out" : "use another --out, or empty it";
  throw new Error(
    `createRun: ${dir} must be new or empty, got ${isRun ? "a run" : `a folder with ${names.slice(0, 3).join(", ")}`}; ${nextStep}`,
  );
}

function writeParts(paths: RunPaths, config: JsonObject, tokenizerJson: string): void {
  try {
    writeFileAtomic(paths.tokenizer, tokenizerJson);
    // Last: it is what makes the folder a run folder.
    writeFileAtomic(paths.config, `${JSON.stringify(config, null, 2)}\n`);
  } catch (error) {
    // The folder was empty, and should be again for the next attempt.
    rmSync(paths.config, { force: true });
    rmSync(paths.tokenizer, { force: true });
    throw error;
  }
}

function makeFolder(dir: string): void {
  try {
    if (mkdirSync(dir, { recursive: true })) syncFolder(dirname(resolve(dir)));
  } catch (cause) {
    throw writeFailure("createRun", dir, cause);
  }
}

function readPart(path: string, where: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new Error(
      `${where} must be a run folder, got no readable ${path} (${code}); give the folder that --out named`,
      {
        cause,
      },
    );
  }
}
