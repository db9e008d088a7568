import { sha256 } from "../sha256.ts";
import { CALIBRATIONS_FILE, type Calibrations, parseCalibrations } from "./calibrations.ts";
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
} from "./checkpointContent.ts";
import {
  CHECKPOINT_FILE,
  type CheckpointManifest,
  checkDigest,
  checkpointName,
  decodeManifest,
  encodeManifest,
  type FileDigest,
  OPTIMIZER_FILE,
  stepOfName,
  WEIGHTS_FILE,
} from "./checkpointFormat.ts";
import { canonicalJson, type JsonObject, parseJsonObject } from "./json.ts";
import { type MetricsLine, type MetricsRecord, metricsLine, metricsLines } from "./metricsFormat.ts";
import type { RunStore } from "./runStore.ts";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";
import { type CheckpointChoice, type SavedModel, savedModelOf } from "./savedModel.ts";

/** The files of a run folder by their path in it, such as `checkpoints/step-00000100/checkpoint.json`. */
export type RunFiles = ReadonlyMap<string, Uint8Array>;

const CONFIG = "config.json";
const TOKENIZER = "tokenizer.json";
const METRICS = "metrics.jsonl";
const CHECKPOINTS = "checkpoints/";

/**
 * A run folder in memory, file for file what is on a disk elsewhere: `files` is what to write there, `open` takes what was read.
 * Files that it knows nothing of are kept as they are.
 */
export class MemoryRun implements RunStore {
  readonly name: string;
  readonly config: JsonObject;
  readonly tokenizerJson: string;
  /** All but the metrics. */
  readonly #files: Map<string, Uint8Array>;
  #metrics: MetricsLine[];

  private constructor(name: string, files: ReadonlyMap<string, Uint8Array>) {
    const where = `openRun: ${name}`;
    this.name = name;
    this.#files = new Map(files);
    this.config = parseJsonObject(textOf(files, CONFIG, where), where, CONFIG);
    this.tokenizerJson = textOf(files, TOKENIZER, where);
    this.#metrics = files.has(METRICS) ? metricsLines(textOf(files, METRICS, where), METRICS) : [];
    this.#files.delete(METRICS);
  }

  /** A new run. `others` are files to keep beside, such as its text. */
  static create(
    name: string,
    { config, tokenizerJson }: { readonly config: JsonObject; readonly tokenizerJson: string },
    others: RunFiles = new Map(),
  ): MemoryRun {
    // What JSON can't hold would come back as something else.
    canonicalJson(config, "config");
    const own = [
      [TOKENIZER, utf8(tokenizerJson)],
      [CONFIG, utf8(`${JSON.stringify(config, null, 2)}\n`)],
    ] as const;
    return new MemoryRun(name, new Map([...others, ...own]));
  }

  /** @throws where the files are not those of a run folder */
  static open(name: string, files: RunFiles): MemoryRun {
    return new MemoryRun(name, files);
  }

  /** All files as they stand now. */
  get files(): RunFiles {
    const metrics = utf8(this.#metrics.map(({ text }) => `${text}\n`).join(""));
    return new Map([...this.#files, [METRICS, metrics]]);
  }

  /** All that was measured, in order. */
  get metrics(): readonly MetricsRecord[] {
    return this.#metrics.map(({ record }) => record);
  }

  get calibrations(): Calibrations {
    const bytes = this.#files.get(CALIBRATIONS_FILE);
    return bytes === undefined ? {} : parseCalibrations(decode(bytes), CALIBRATIONS_FILE);
  }

  /** The model of a checkpoint. */
  model(choice: CheckpointChoice = "best"): SavedModel {
    const { config, tokenizerJson, calibrations } = this;
    const source = this.#source({ withOptimizer: false });
    const found = (choice === "best" ? bestOf(source) : null) ?? latestOf(source);
    return savedModelOf({ dir: this.name, config, tokenizerJson, calibrations }, found);
  }

  latest(): FoundCheckpoint | null {
    return latestOf(this.#source({ withOptimizer: true }));
  }

  rewindTo(step: number): void {
    for (const summary of this.#summaries()) if (summary.step > step) this.#remove(summary.dir);
    this.#metrics = this.#metrics.filter(({ record }) => record.step <= step);
  }

  append(record: MetricsRecord): void {
    const text = metricsLine(record).slice(0, -1);
    this.#metrics.push({ text, record });
  }

  save(content: CheckpointContent, retention: Retention): string {
    checkRetention(retention);
    const dir = `${CHECKPOINTS}${checkpointName(content.step)}`;
    this.#remove(dir);
    const put = (name: string, bytes: Uint8Array): FileDigest => {
      this.#files.set(`${dir}/${name}`, bytes);
      return digestOf(bytes);
    };
    const files = {
      [WEIGHTS_FILE]: put(WEIGHTS_FILE, encodeSafetensors(content.weights)),
      [OPTIMIZER_FILE]: put(OPTIMIZER_FILE, encodeSafetensors(content.optimizer)),
    };
    const { step, state } = content;
    put(CHECKPOINT_FILE, utf8(encodeManifest({ step, validationLoss: keptLoss(content), state, files })));
    for (const old of removable(this.#summaries(), dir, retention)) this.#remove(old.dir);
    return dir;
  }

  #source(options: { readonly withOptimizer: boolean }): CheckpointSource {
    return { name: this.name, summaries: this.#summaries(), read: (dir) => this.#read(dir, options) };
  }

  #summaries(): CheckpointSummary[] {
    const names = [...this.#files.keys()].flatMap((path) => /^checkpoints\/([^/]+)\//.exec(path)?.[1] ?? []);
    return [...new Set(names)]
      .flatMap((name) => {
        const step = stepOfName(name);
        return step === null ? [] : [this.#summary(`${CHECKPOINTS}${name}`, step)];
      })
      .sort((a, b) => a.step - b.step);
  }

  #summary(dir: string, step: number): CheckpointSummary {
    try {
      const { validationLoss, files } = this.#manifest(dir);
      const bytes = files[WEIGHTS_FILE].bytes + files[OPTIMIZER_FILE].bytes;
      return { dir, step, validationLoss, bytes, problem: null };
    } catch (error) {
      return { dir, step, validationLoss: null, bytes: 0, problem: (error as Error).message };
    }
  }

  #manifest(dir: string): CheckpointManifest {
    const text = textOf(this.#files, `${dir}/${CHECKPOINT_FILE}`, `readCheckpoint: ${this.name}`);
    return decodeManifest(text, dir, (name) => this.#files.get(`${dir}/${name}`)?.byteLength);
  }

  #read(dir: string, { withOptimizer }: { readonly withOptimizer: boolean }): Checkpoint {
    const { step, validationLoss, state, files } = this.#manifest(dir);
    const read = (name: typeof WEIGHTS_FILE | typeof OPTIMIZER_FILE) => {
      const bytes = this.#files.get(`${dir}/${name}`)!;
      checkDigest(dir, name, files[name], digestOf(bytes));
      return decodeSafetensors(bytes, `${dir}/${name}`).arrays;
    };
    const [weights, optimizer] = [read(WEIGHTS_FILE), withOptimizer ? read(OPTIMIZER_FILE) : new Map()];
    return { dir, step, weights, optimizer, state, ...(validationLoss === null ? {} : { validationLoss }) };
  }

  #remove(dir: string): void {
    for (const path of this.#files.keys()) if (path.startsWith(`${dir}/`)) this.#files.delete(path);
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
const digestOf = (bytes: Uint8Array): FileDigest => ({ bytes: bytes.byteLength, sha256: sha256(bytes) });

function textOf(files: ReadonlyMap<string, Uint8Array>, name: string, where: string): string {
  const bytes = files.get(name);
  if (bytes !== undefined) return decode(bytes);
  throw new Error(`${where} must be a run folder with ${name}, got none; give the folder that --out named, whole`);
}
