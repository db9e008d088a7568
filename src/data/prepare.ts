import { createWriteStream, existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { isRunning } from "../files/processIdentity.ts";
import type { DataSummary } from "./dataSummary.ts";
import type { Document } from "./document.ts";
import { readDocuments } from "./documents.ts";
import { DATA_FILES, openData, type PreparedData, readJson } from "./openData.ts";
import { DEFAULT_VALIDATION_FRACTION, type Part, type SplitPlan, SplitTally } from "./split.ts";
import { TokenFileWriter } from "./tokenFileWriter.ts";
import { ByteTokenizer } from "./tokenizer/byteTokenizer.ts";
import { gpt2Tokenizer } from "./tokenizer/gpt2.ts";
import { tokenizerFromJson } from "./tokenizer/loadTokenizer.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";
import { checkVocabulary, trainBpe } from "./tokenizer/trainBpe.ts";
import { tokenizerHash } from "./tokenizerHash.ts";

export type TokenizerChoice =
  | { readonly kind: "bytes" }
  /** Trained on the training part alone. */
  | { readonly kind: "bpe"; readonly vocabSize: number }
  /** A `tokenizer.json`. */
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "gpt2" };

/** `documents` done so far; their number is known once the first pass, "reading", is over. */
export type PrepareProgress =
  | { readonly phase: "reading"; readonly documents: number }
  | { readonly phase: "counting"; readonly documents: number; readonly totalDocuments: number }
  | { readonly phase: "merging"; readonly tokens: number; readonly tokensWanted: number }
  | { readonly phase: "writing"; readonly documents: number; readonly totalDocuments: number };

export interface PrepareOptions {
  /** See `readDocuments`. */
  readonly sources: readonly string[];
  readonly tokenizer: TokenizerChoice;
  /** Must not exist, or be an empty folder. */
  readonly outDir: string;
  /** 0.05 by default. */
  readonly validationFraction?: number;
  /** Seed of the split; 0 by default. */
  readonly seed?: number;
  /** "text" by default. */
  readonly textColumn?: string;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

/** Names of held-out documents that data.json lists at most. */
const NAMES_LISTED = 100;

interface ChosenTokenizer {
  readonly tokenizer: Tokenizer;
  readonly shortfall?: string;
}

/** A tokenizer that is not trained here. */
async function existingTokenizer(choice: Exclude<TokenizerChoice, { kind: "bpe" }>): Promise<Tokenizer> {
  if (choice.kind === "bytes") return new ByteTokenizer();
  if (choice.kind === "gpt2") return gpt2Tokenizer();
  return tokenizerFromJson(readJson(choice.path, "prepareData", "give a tokenizer.json"));
}

/** One preparation, which writes its files to `folder`. */
class Preparation {
  readonly #options: PrepareOptions;
  readonly #folder: string;
  readonly #textColumn: string;
  readonly #seed: number;
  readonly #validationFraction: number;
  readonly #standardInput: string;
  #emptyDocuments = 0;

  constructor(options: PrepareOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#textColumn = options.textColumn ?? "text";
    this.#seed = options.seed ?? 0;
    this.#validationFraction = options.validationFraction ?? DEFAULT_VALIDATION_FRACTION;
    this.#standardInput = path.join(folder, "standard-input.spool");
  }

  async run(): Promise<void> {
    const choice = this.#options.tokenizer;
    const tally = new SplitTally({ seed: this.#seed, validationFraction: this.#validationFraction });
    // What is wrong with the tokenizer shows before a long first pass.
    if (choice.kind === "bpe") checkVocabulary(choice.vocabSize);
    const ready = choice.kind === "bpe" ? choice : { tokenizer: await existingTokenizer(choice) };
    // Standard input can be read only once, and every pass needs it.
    if (this.#options.sources.includes("-")) await pipeline(process.stdin, createWriteStream(this.#standardInput));
    let documents = 0;
    for await (const { name } of this.#documents()) {
      tally.add(name);
      this.#options.onProgress?.({ phase: "reading", documents: ++documents });
    }
    const plan = tally.plan();
    const chosen = "tokenizer" in ready ? ready : await this.#trainTokenizer(plan, ready.vocabSize);
    await this.#save(DATA_FILES.tokenizer, chosen.tokenizer.toJson());
    await this.#save(DATA_FILES.summary, await this.#writeTokens(plan, chosen));
    rmSync(this.#standardInput, { force: true });
  }

  async #save(name: string, value: object): Promise<void> {
    await writeFile(path.join(this.#folder, name), `${JSON.stringify(value, null, 1)}\n`, { flush: true });
  }

  /** The documents that have text; counts the others. */
  async *#documents(): AsyncGenerator<Document> {
    this.#emptyDocuments = 0;
    const options = { textColumn: this.#textColumn, standardInput: this.#standardInput };
    for await (const document of readDocuments(this.#options.sources, options)) {
      if (document.text === "") this.#emptyDocuments++;
      else yield document;
    }
  }

  /** The texts of both parts, document by document. */
  async *#parts(plan: SplitPlan, phase: "counting" | "writing"): AsyncGenerator<{ part: Part; document: Document }> {
    let index = 0;
    for await (const document of this.#documents()) {
      if (index < plan.documents) yield* plan.partsOf(index, document);
      index++;
      this.#options.onProgress?.({ phase, documents: index, totalDocuments: plan.documents });
    }
    if (index !== plan.documents) {
      const rule = "the sources must stay as they are while they are prepared";
      throw new Error(`prepareData: ${rule}, got ${plan.documents} documents, then ${index}; prepare again`);
    }
  }

  async *#trainingTexts(plan: SplitPlan): AsyncGenerator<string> {
    for await (const { part, document } of this.#parts(plan, "counting")) if (part === "train") yield document.text;
  }

  async #trainTokenizer(plan: SplitPlan, vocabSize: number): Promise<ChosenTokenizer> {
    return trainBpe(this.#trainingTexts(plan), {
      vocabSize,
      onProgress: (progress) => {
        if (progress.phase === "merging") this.#options.onProgress?.(progress);
      },
    });
  }

  async #writeTokens(plan: SplitPlan, { tokenizer, shortfall }: ChosenTokenizer): Promise<DataSummary> {
    const hash = tokenizerHash(tokenizer);
    const options = { vocabSize: tokenizer.vocabSize, endOfText: tokenizer.endOfText, tokenizerHash: hash };
    const writers = {
      train: new TokenFileWriter(path.join(this.#folder, DATA_FILES.train), options),
      validation: new TokenFileWriter(path.join(this.#folder, DATA_FILES.validation), options),
    };
    const names: string[] = [];
    try {
      for await (const { part, document } of this.#parts(plan, "writing")) {
        const ids = tokenizer.encode(document.text);
        writers[part].addDocument(ids, Buffer.byteLength(document.text));
        if (part === "validation" && names.length < NAMES_LISTED) names.push(document.name);
      }
      return this.#summary(plan, { tokenizer, shortfall }, hash, {
        train: countsOf(writers.train),
        validation: { ...countsOf(writers.validation), names },
      });
    } finally {
      for (const writer of Object.values(writers)) writer.abort();
    }
  }

  #summary(
    plan: SplitPlan,
    { tokenizer, shortfall }: ChosenTokenizer,
    hash: string,
    parts: Pick<DataSummary, "train" | "validation">,
  ): DataSummary {
    return {
      format: "mixture-of-depths data",
      version: 1,
      sources: [...this.#options.sources],
      textColumn: this.#textColumn,
      seed: this.#seed,
      validationFraction: this.#validationFraction,
      splitBy: plan.by,
      emptyDocuments: this.#emptyDocuments,
      tokenizer: { kind: tokenizer.kind, vocabSize: tokenizer.vocabSize, hash, shortfall },
      ...parts,
    };
  }
}

/** Finishes a token file and counts what it holds. */
function countsOf(writer: TokenFileWriter): DataSummary["train"] {
  const { documents, tokens, textBytes } = writer.finish();
  return { documents, tokens, textBytes };
}

function checkOutput(outDir: string): void {
  if (!existsSync(outDir)) return;
  let entries: string[];
  try {
    entries = readdirSync(outDir);
  } catch (cause) {
    throw new Error(`prepareData: outDir must be a folder, got ${outDir}; choose another`, { cause });
  }
  if (entries.length === 0) return;
  throw new Error(
    `prepareData: outDir must not exist or be empty, got ${outDir} with ${entries.length} entries; remove it or choose another`,
  );
}

/** Removes what preparations of the same folder left that were killed. */
function removeAbandoned(outDir: string): void {
  const parent = path.dirname(outDir);
  const start = `${path.basename(outDir)}.partial-`;
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(start) ? Number.parseInt(name.slice(start.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    rmSync(path.join(parent, name), { recursive: true, force: true });
  }
}

/**
 * Turns texts into a folder to train from: `tokenizer.json`, `train.tokens`, `validation.tokens` and `data.json`.
 *
 * The sources are read once to decide the split (`split.ts` says how), once more to train a BPE on the training part,
 * and once to write. The files are made in `<outDir>.partial-…`, data.json last, and the folder is renamed at the end:
 * an interrupted preparation leaves nothing at `outDir`. The caller closes the result.
 */
export async function prepareData(options: PrepareOptions): Promise<PreparedData> {
  const outDir = path.resolve(options.outDir);
  checkOutput(outDir);
  mkdirSync(path.dirname(outDir), { recursive: true });
  removeAbandoned(outDir);
  const folder = `${outDir}.partial-${process.pid}-${Date.now().toString(36)}`;
  mkdirSync(folder);
  try {
    await new Preparation(options, folder).run();
    // Windows does not rename onto a folder, not even an empty one.
    if (existsSync(outDir)) rmdirSync(outDir);
    renameSync(folder, outDir);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return openData(outDir);
}
