/** `checkpoint.json`: what a checkpoint folder contains, with sizes and checksums, and a checksum over itself. */
import { sha256 } from "../sha256.ts";
import { canonicalJson, describeValue, isPlainObject, type JsonObject, parseJsonObject } from "./json.ts";

export const CHECKPOINT_FILE = "checkpoint.json";
export const WEIGHTS_FILE = "weights.safetensors";
export const OPTIMIZER_FILE = "optimizer.safetensors";

const FORMAT = "mixture-of-depths checkpoint";
const VERSION = 1;

export interface FileDigest {
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface CheckpointFiles {
  readonly [WEIGHTS_FILE]: FileDigest;
  readonly [OPTIMIZER_FILE]: FileDigest;
}

export interface CheckpointManifest {
  readonly step: number;
  /** Nats per token; `null` where it was not measured or not finite. */
  readonly validationLoss: number | null;
  readonly state: JsonObject;
  readonly files: CheckpointFiles;
}

/** The text of `checkpoint.json`. */
export function encodeManifest({ step, validationLoss, state, files }: CheckpointManifest): string {
  const content: JsonObject = {
    format: FORMAT,
    version: VERSION,
    step,
    validationLoss,
    state,
    files: { ...files } as never,
  };
  // Canonical all through, so that numbers such as -0 in the state come back exactly.
  return `${canonicalJson({ ...content, checksum: checksum(content) })}\n`;
}

/**
 * Reads the text of a checkpoint folder's `checkpoint.json`; checks every field, and that the files it names have their size.
 *
 * @param bytesOf bytes of a file of the folder; undefined where there is none
 */
export function decodeManifest(
  text: string,
  dir: string,
  bytesOf: (name: string) => number | undefined,
): CheckpointManifest {
  const where = `readCheckpoint: ${dir}`;
  const { checksum: expected, ...content } = parseJsonObject(text, where, CHECKPOINT_FILE);
  if (content.format !== FORMAT || content.version !== VERSION) {
    throw new Error(
      `${where}: format must be "${FORMAT}" version ${VERSION}, got ${describeValue(content.format)} version ${describeValue(content.version)}; use the release that wrote it`,
    );
  }
  const actual = checksum(content);
  if (actual !== expected) {
    throw new Error(
      `${where}: ${CHECKPOINT_FILE} must match its checksum ${describeValue(expected)}, got ${actual}; it is damaged`,
    );
  }
  // Whoever computed that checksum wrote these fields, so their types need no further check.
  const manifest = content as unknown as CheckpointManifest;
  checkPlace(dir, manifest, where);
  for (const name of [WEIGHTS_FILE, OPTIMIZER_FILE] as const) {
    checkSize(name, manifest.files[name].bytes, bytesOf(name), where);
  }
  return manifest;
}

/** Refuses a file whose content is not what the manifest promises. */
export function checkDigest(dir: string, name: string, expected: FileDigest, actual: FileDigest): void {
  if (actual.sha256 === expected.sha256 && actual.bytes === expected.bytes) return;
  throw new Error(
    `readCheckpoint: ${dir}: ${name} must have sha256 ${expected.sha256}, got ${actual.sha256}; it is damaged: use another checkpoint`,
  );
}

/** Folder name of a step's checkpoint, such as `step-00000100`. */
export function checkpointName(step: number): string {
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new Error(`writeCheckpoint: step must be an integer >= 0, got ${step}; count optimizer steps`);
  }
  return `step-${String(step).padStart(8, "0")}`;
}

/** The step in a checkpoint's folder name, or null for any other name. */
export function stepOfName(name: string): number | null {
  const match = /^step-(\d{8,})$/.exec(name);
  return match ? Number(match[1]) : null;
}

function checkPlace(dir: string, manifest: CheckpointManifest, where: string): void {
  if (!isPlainObject(manifest.files)) throw new Error(`${where}: files must be an object; it is damaged`);
  const named = stepOfName(dir.split(/[\\/]/).at(-1) ?? "");
  if (named !== null && named !== manifest.step) {
    throw new Error(`${where}: the folder must be that of step ${manifest.step}, which it holds; rename it back`);
  }
}

function checkSize(name: string, stated: number, found: number | undefined, where: string): void {
  if (found === undefined) throw new Error(`${where} must hold ${name}, got no such file; use another checkpoint`);
  if (found !== stated) {
    throw new Error(`${where}: ${name} must have ${stated} bytes, got ${found}; use another checkpoint`);
  }
}

const checksum = (content: JsonObject): string => sha256(canonicalJson(content));
