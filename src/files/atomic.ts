/**
 * Files and folders that appear whole or not at all: written beside their place under a temporary name, flushed to the
 * device, renamed, and the folder that names them flushed too.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

const PARTIAL = ".partial-";
const REPLACED = ".replaced-";
const TEMPORARY_NAME = /^(.+)\.(partial|replaced)-[0-9a-f]{12}$/;

/** Replaces the file at `path` by `data`. At every moment, a crash included, the old or the new content is there. */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  const temp = temporaryName(path, PARTIAL);
  try {
    const file = openSync(temp, "wx");
    try {
      writeAll(file, typeof data === "string" ? new TextEncoder().encode(data) : data);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temp, path);
    syncFolder(dirname(path));
  } catch (cause) {
    discard(temp);
    throw writeFailure("writeFileAtomic", path, cause);
  }
}

/**
 * Makes the folder `path` of what `fill` writes into a temporary folder beside it. A folder that is already there is
 * replaced, and is gone only when the new one is durable.
 */
export function writeFolderAtomic(path: string, fill: (tempDir: string) => void): void {
  const temp = temporaryName(path, PARTIAL);
  try {
    mkdirSync(temp);
    fill(temp);
    syncTree(temp);
    putInPlace(temp, path);
  } catch (cause) {
    discard(temp);
    throw writeFailure("writeFolderAtomic", path, cause);
  }
}

/** Removes a folder so that no reader ever finds it half removed. */
export function removeFolderAtomic(path: string): void {
  const temp = temporaryName(path, PARTIAL);
  renameSync(path, temp);
  syncFolder(dirname(path));
  rmSync(temp, { recursive: true, force: true });
}

/**
 * Clears what a killed writer left in `folder`: half-written files go; a folder that had been moved aside comes back if
 * its replacement never arrived. Only for the one process that writes there. Returns the names it removed or restored.
 */
export function cleanTemporary(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const found: string[] = [];
  for (const name of readdirSync(folder)) {
    const match = TEMPORARY_NAME.exec(name);
    if (!match) continue;
    const original = join(folder, match[1]!);
    if (match[2] === "replaced" && !existsSync(original)) renameSync(join(folder, name), original);
    else rmSync(join(folder, name), { recursive: true, force: true });
    found.push(name);
  }
  if (found.length > 0) syncFolder(folder);
  return found;
}

/** Writes all of `bytes`; the operating system may take less than it is given at a time. */
export function writeAll(file: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.byteLength) offset += writeSync(file, bytes, offset, bytes.byteLength - offset);
}

/** Makes renames and new names inside a folder durable. */
export function syncFolder(folder: string): void {
  // Windows has no way to flush a folder.
  if (process.platform === "win32") return;
  syncPath(folder);
}

/** Something could not be written; `code` is the operating system's. */
export class WriteError extends Error {
  readonly code: string;

  constructor(where: string, path: string, cause: NodeJS.ErrnoException) {
    const code = cause.code ?? "unknown";
    const [reason, nextStep] = WRITE_FAILURES[code] ?? [cause.message, "look at the folder and its device"];
    super(`${where}: cannot write ${path}, got ${reason} (${code}); what was saved before is untouched; ${nextStep}`, {
      cause,
    });
    this.name = "WriteError";
    this.code = code;
  }
}

/** The error to throw for what went wrong in writing `path`: errors that are not the file system's pass unchanged. */
export function writeFailure(where: string, path: string, cause: unknown): unknown {
  const isFromSystem = cause instanceof Error && "syscall" in cause;
  return isFromSystem ? new WriteError(where, path, cause as NodeJS.ErrnoException) : cause;
}

const WRITE_FAILURES: Readonly<Record<string, readonly [reason: string, nextStep: string]>> = {
  ENOSPC: ["no space left on the device", "free some space or use another device, then resume"],
  EDQUOT: ["disk quota exceeded", "free some space or raise the quota, then resume"],
  EACCES: ["permission denied", "make the folder writable for this user"],
  EROFS: ["a read-only file system", "use a folder on a writable device"],
  ENOENT: ["no such folder", "make the folder first"],
};

function putInPlace(temp: string, path: string): void {
  const aside = existsSync(path) ? temporaryName(path, REPLACED) : null;
  if (aside) renameSync(path, aside);
  try {
    renameSync(temp, path);
  } catch (cause) {
    if (aside) renameSync(aside, path);
    throw cause;
  }
  syncFolder(dirname(path));
  if (aside) rmSync(aside, { recursive: true, force: true });
}

function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (statSync(path).isFile()) syncPath(path);
  }
  syncFolder(folder);
}

function syncPath(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Removes what a failed write left. If even that fails, the first error matters more and the next writer cleans up. */
function discard(temp: string): void {
  try {
    rmSync(temp, { recursive: true, force: true });
  } catch {
    // See above: `cleanTemporary` takes it away later.
  }
}

function temporaryName(path: string, kind: string): string {
  return join(dirname(path), `${basename(path)}${kind}${randomBytes(6).toString("hex")}`);
}
