import { strFromU8, unzipSync, type Zippable, zipSync } from "fflate";
import type { RunFiles } from "../../src/browser.ts";
import { EngineError } from "./failure.ts";

/** Weights are noise to a compressor; text and JSON shrink to a third. */
const levelOf = (path: string) => (path.endsWith(".safetensors") || path.endsWith(".onnx") ? 0 : 6);

/** A run folder as one .zip, in which all lies in a folder of this name. */
export function pack(name: string, files: RunFiles): Uint8Array<ArrayBuffer> {
  const root = name.replace(/[^\w .+-]/g, "-") || "run";
  const entries = [...files].map(([path, bytes]) => [`${root}/${path}`, [bytes, { level: levelOf(path) }]] as const);
  return zipSync(Object.fromEntries(entries) as Zippable) as Uint8Array<ArrayBuffer>;
}

/**
 * The files of a .zip, and the name of the folder that they all lie in, which is no part of their paths; null where there is
 * none.
 *
 * @throws where the bytes are no .zip, or a path leads out of the folder
 */
export function unpack(archive: Uint8Array): { readonly name: string | null; readonly files: RunFiles } {
  const entries = Object.entries(unzipped(archive)).filter(([path]) => !path.endsWith("/") && !isOfFinder(path));
  if (entries.length === 0) throw new EngineError("file", "archive: a .zip must hold files, got none; choose another");
  for (const [path] of entries) checkPath(path);
  const roots = new Set(entries.map(([path]) => path.split("/")[0]!));
  const hasRoot = roots.size === 1 && entries.every(([path]) => path.includes("/"));
  const root = hasRoot ? [...roots][0]! : null;
  const inside = (path: string) => (root === null ? path : path.slice(root.length + 1));
  return { name: root, files: new Map(entries.map(([path, bytes]) => [inside(path), bytes])) };
}

/** What macOS adds of its own, beside the folder and in it. */
const isOfFinder = (path: string): boolean => path.startsWith("__MACOSX/") || path.split("/").at(-1) === ".DS_Store";

function unzipped(archive: Uint8Array): Record<string, Uint8Array> {
  if (strFromU8(archive.subarray(0, 2)) !== "PK") {
    throw new EngineError(
      "file",
      "archive: the file must be a .zip of a run folder, got another; choose the .zip that was saved",
    );
  }
  try {
    return unzipSync(archive);
  } catch (cause) {
    const { message } = cause as Error;
    throw new EngineError("file", `archive: the .zip must be whole, got ${message}; download or copy it again`, cause);
  }
}

function checkPath(path: string): void {
  const parts = path.split("/");
  const isInside = !path.includes("\\") && !parts.some((part) => part === "" || part === "." || part === "..");
  if (isInside) return;
  throw new EngineError(
    "file",
    `archive: paths must stay in the folder, got ${JSON.stringify(path)}; choose another .zip`,
  );
}
