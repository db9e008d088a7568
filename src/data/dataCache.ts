import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { DATA_FILES, openData, type PreparedData } from "./openData.ts";
import { type PrepareProgress, prepareData, type TokenizerChoice } from "./prepare.ts";

/** What prepared data is made from. */
export interface DataChoice {
  readonly sources: readonly string[];
  readonly textColumn: string;
  readonly tokenizer: TokenizerChoice;
  readonly validationFraction: number;
  readonly splitSeed: number;
}

export interface CacheOptions {
  /** Folder of the prepared folders. */
  readonly cacheDir: string;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

/**
 * Prepared data for a choice: the source itself if it is one prepared folder, else what an earlier call prepared from the same
 * files (same paths, sizes and times of change), else prepared now.
 *
 * @throws where a source is standard input, which could not be read again to resume: it has to be prepared into a folder.
 */
export async function openOrPrepareData(
  choice: DataChoice,
  { cacheDir, onProgress }: CacheOptions,
): Promise<PreparedData> {
  const prepared = preparedFolder(choice.sources);
  if (prepared !== undefined) return openData(prepared);
  if (choice.sources.includes("-")) {
    throw new Error(
      "data: standard input can be read only once; run `mod data prepare --data - --out DIR`, then --data DIR",
    );
  }
  const dir = path.join(cacheDir, cacheKey(choice));
  if (existsSync(path.join(dir, DATA_FILES.summary))) return openData(dir);
  try {
    return await prepareData({ ...choice, seed: choice.splitSeed, outDir: dir, ...(onProgress && { onProgress }) });
  } catch (error) {
    // Another process may have prepared the same meanwhile.
    if (existsSync(path.join(dir, DATA_FILES.summary))) return openData(dir);
    throw error;
  }
}

/** The folder, if the only source is one that `prepareData` made. */
export function preparedFolder(sources: readonly string[]): string | undefined {
  const [only, ...others] = sources;
  const isPrepared = only !== undefined && others.length === 0 && existsSync(path.join(only, DATA_FILES.summary));
  return isPrepared ? only : undefined;
}

function cacheKey(choice: DataChoice): string {
  const { tokenizer } = choice;
  const files = choice.sources.map((source) => fingerprint(source));
  const vocabulary = tokenizer.kind === "file" ? fingerprint(tokenizer.path) : tokenizer;
  const { textColumn, validationFraction, splitSeed } = choice;
  const key = JSON.stringify({ files, vocabulary, textColumn, validationFraction, splitSeed });
  return createHash("sha256").update(key).digest("hex").slice(0, 16);
}

/** Paths, sizes and times of change of all files of a source; the name of one that is no file. */
function fingerprint(source: string): unknown {
  const found = statSync(source, { throwIfNoEntry: false });
  if (found === undefined) return source;
  if (!found.isDirectory()) return [path.resolve(source), found.size, found.mtimeMs];
  return readdirSync(source)
    .sort()
    .map((name) => fingerprint(path.join(source, name)));
}
