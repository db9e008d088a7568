/** One writer per run folder: a lock file with the writer's process number and host. */
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { writeFailure } from "../files/atomic.ts";
import { isAlive, type ProcessIdentity, thisProcess } from "../files/processIdentity.ts";
import { isPlainObject } from "./json.ts";

export const LOCK_FILE = "run.lock";

export interface RunLock {
  readonly path: string;
  /** What to tell the user about the lock of a dead process that was taken over; null if there was none. */
  readonly message: string | null;
  /** Gives the lock back; harmless when called twice. */
  release(): void;
}

interface LockContent extends ProcessIdentity {
  readonly id: string;
}

/** A lock file without readable content is one being written, or one that a crash left empty: its age tells which. */
const UNREADABLE_IS_STALE_AFTER_MS = 10_000;

/**
 * Takes the lock of a run folder. A lock left by a dead process of this host is taken over, with a message.
 *
 * @throws where another process that may be alive holds it.
 */
export function lockRun(dir: string): RunLock {
  const path = join(dir, LOCK_FILE);
  const mine: LockContent = { ...thisProcess(), id: randomUUID() };
  if (createLock(path, mine)) return held(path, mine, null);
  const owner = readLock(path);
  refuseUnlessStale(dir, path, owner);
  if (!takeOver(path, owner, mine)) return refuse(dir, path, "another process that took it at the same moment");
  const who = owner ? `process ${owner.pid}` : "a process that left no name";
  return held(path, mine, `lockRun: took over ${path} from ${who}, which no longer runs`);
}

/** Tells whether some process holds the lock, and which, without touching it. For viewers. */
export function lockOwner(dir: string): ProcessIdentity | null {
  const owner = readLock(join(dir, LOCK_FILE));
  return owner && !isStale(owner) ? { pid: owner.pid, host: owner.host, startTicks: owner.startTicks } : null;
}

function createLock(path: string, content: LockContent): boolean {
  try {
    writeFileSync(path, `${JSON.stringify(content)}\n`, { flag: "wx" });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw writeFailure("lockRun", path, cause);
  }
}

function readLock(path: string): LockContent | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isPlainObject(value) && typeof value.pid === "number" && typeof value.host === "string"
      ? (value as unknown as LockContent)
      : null;
  } catch {
    return null;
  }
}

function refuseUnlessStale(dir: string, path: string, owner: LockContent | null): void {
  if (owner === null) {
    if (isFresh(path)) refuse(dir, path, "a process that is just starting");
  } else if (!isStale(owner)) {
    refuse(dir, path, `process ${owner.pid} on ${owner.host}`);
  }
}

function isStale(owner: LockContent): boolean {
  // Processes of other hosts can't be seen from here.
  return owner.host === hostname() && !isAlive(owner);
}

function isFresh(path: string): boolean {
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return written !== undefined && Date.now() - written < UNREADABLE_IS_STALE_AFTER_MS;
}

/**
 * Replaces a stale lock. Of several processes that find the same one, the guard file lets one at a time look again and
 * replace: without it, the second could remove the lock that the first has just made.
 */
function takeOver(path: string, stale: LockContent | null, mine: LockContent): boolean {
  const guard = `${path}.takeover`;
  if (!isFresh(guard)) rmSync(guard, { force: true });
  if (!createLock(guard, mine)) return false;
  try {
    const now = readLock(path);
    if (now?.id !== stale?.id || (now === null && isFresh(path))) return false;
    rmSync(path, { force: true });
    return createLock(path, mine);
  } finally {
    rmSync(guard, { force: true });
  }
}

function held(path: string, mine: LockContent, message: string | null): RunLock {
  const release = (): void => {
    if (readLock(path)?.id === mine.id) rmSync(path, { force: true });
  };
  return { path, message, release };
}

function refuse(dir: string, path: string, owner: string): never {
  throw new Error(
    `lockRun: only one process may train in ${dir}, got the lock of ${owner}; wait for it, use another --out, or delete ${path} if that process is gone`,
  );
}
