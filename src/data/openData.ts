import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type DataSummary, dataSummarySchema } from "./dataSummary.ts";
import { TokenFile } from "./tokenFile.ts";
import { tokenizerFromJson } from "./tokenizer/loadTokenizer.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";
import { tokenizerHash } from "./tokenizerHash.ts";
import type { TrainingData } from "./tokenStream.ts";

/** Files of a prepared folder. `data.json` is written last: a folder without it is unfinished. */
export const DATA_FILES = {
  summary: "data.json",
  tokenizer: "tokenizer.json",
  train: "train.tokens",
  validation: "validation.tokens",
} as const;

export interface PreparedData extends TrainingData {
  readonly dir: string;
  readonly train: TokenFile;
  readonly validation: TokenFile;
  readonly summary: DataSummary;
  /** Closes both token files. */
  close(): void;
}

/** Parses a JSON file; `where` and `next` complete the error. */
export function readJson(file: string, where: string, next: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`${where}: ${file} must be a readable file: ${(cause as Error).message}; ${next}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${where}: ${file} must be JSON: ${(cause as Error).message}; ${next}`, { cause });
  }
}

function readSummary(dir: string): DataSummary {
  const file = path.join(dir, DATA_FILES.summary);
  if (!existsSync(file)) {
    const state = existsSync(dir) ? "has no data.json" : "does not exist";
    throw new Error(`openData: needs a prepared folder, and ${dir} ${state}; prepare the data first`);
  }
  const parsed = dataSummarySchema.safeParse(readJson(file, "openData", "prepare the data again"));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `\n  - ${issue.path.join(".") || "file"}: ${issue.message}`);
  throw new Error(`openData: ${file} is not of this format:${problems.join("")}\nPrepare the data again.`);
}

function checkTokenFile(file: TokenFile, hash: string, tokenizer: Tokenizer, stated: DataSummary["train"]): void {
  if (file.tokenizerHash !== hash || file.vocabSize !== tokenizer.vocabSize || file.endOfText !== tokenizer.endOfText) {
    throw new Error(
      `openData: ${file.path} must be written with the folder's tokenizer ${hash.slice(0, 12)}…, got ` +
        `${file.tokenizerHash.slice(0, 12)}…; restore tokenizer.json or prepare the data again`,
    );
  }
  for (const name of ["documents", "tokens", "textBytes"] as const) {
    if (file[name] === stated[name]) continue;
    const rule = `${file.path} must have ${stated[name]} ${name} as data.json says`;
    throw new Error(`openData: ${rule}, got ${file[name]}; prepare the data again`);
  }
}

/**
 * Opens a folder that `prepareData` wrote. Throws unless everything fits together: data.json is of this format, the
 * token files are whole and of its size, and tokenizer.json is the tokenizer that they were written with.
 */
export function openData(dir: string): PreparedData {
  const summary = readSummary(dir);
  const tokenizerFile = path.join(dir, DATA_FILES.tokenizer);
  const tokenizer = tokenizerFromJson(readJson(tokenizerFile, "openData", "prepare the data again"));
  const hash = tokenizerHash(tokenizer);
  const open: TokenFile[] = [];
  const close = () => {
    for (const file of open) file.close();
  };
  try {
    for (const part of ["train", "validation"] as const) {
      const file = TokenFile.open(path.join(dir, DATA_FILES[part]));
      open.push(file);
      checkTokenFile(file, hash, tokenizer, summary[part]);
    }
  } catch (error) {
    close();
    throw error;
  }
  const [train, validation] = open;
  return { dir, tokenizer, tokenizerHash: hash, train: train!, validation: validation!, summary, close };
}
