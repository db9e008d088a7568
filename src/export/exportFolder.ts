import { mkdirSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { syncFolder, writeFailure, writeFolderAtomic } from "../files/atomic.ts";

/** Every file that an export may hold. */
export const EXPORT_FILES = [
  ...["forward.onnx", "step.onnx", "model.json", "README.md"],
  ...["model.safetensors", "config.json", "tokenizer.json"],
] as const;
export type ExportFile = (typeof EXPORT_FILES)[number];

export interface ExportedFile {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Throws unless an export may be written to `dir`: a folder that is not there yet, is empty, or, with `force`, holds nothing
 * but an earlier export. Other people's files are never replaced.
 */
export function checkExportFolder(dir: string, force: boolean): void {
  const found = statSync(dir, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) throw new Error(`export: ${dir} must be a folder, got a file; use another --out`);
  const names = readdirSync(dir);
  const strange = names.filter((name) => !(EXPORT_FILES as readonly string[]).includes(name));
  if (strange.length > 0) {
    throw new Error(
      `export: ${dir} must be new, empty or an earlier export, got a folder with ${strange.slice(0, 3).join(", ")}; use another --out`,
    );
  }
  if (names.length > 0 && !force) {
    throw new Error(`export: ${dir} must be new or empty, got an export; use another --out, or --force to replace it`);
  }
}

/** Makes `dir` of what `fill` writes, whole or not at all. Its parents are made if need be. */
export function writeExport(dir: string, force: boolean, fill: (dir: string) => void): ExportedFile[] {
  checkExportFolder(dir, force);
  const place = path.resolve(dir);
  const parent = path.dirname(place);
  try {
    if (mkdirSync(parent, { recursive: true })) syncFolder(path.dirname(parent));
  } catch (cause) {
    throw writeFailure("export", parent, cause);
  }
  writeFolderAtomic(place, fill);
  return readdirSync(place)
    .sort()
    .map((name) => ({ name, bytes: statSync(path.join(place, name)).size }));
}
