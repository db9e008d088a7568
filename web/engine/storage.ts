/**
 * Run folders in the browser's storage for the site (OPFS): `mod-runs/NAME/VERSION/...`, and beside the versions a file
 * `current` with the name of the one that is whole. A tab that is closed while it saves leaves the version before.
 */
import type { RunFiles } from "../../src/browser.ts";
import { EngineError } from "./failure.ts";
import type { StoredRun } from "./protocol.ts";
import { describeRun } from "./storedRun.ts";

const FOLDER = "mod-runs";
const CURRENT = "current";

/** Saves a run under a name, in the place of an earlier one. */
export function saveRun(name: string, files: RunFiles): Promise<void> {
  checkName(name);
  return storage(name, async (runs) => {
    const run = await runs.getDirectoryHandle(name, { create: true });
    const version = `version-${Number((await currentVersion(run))?.split("-")[1] ?? 0) + 1}`;
    // What a save that was cut short left.
    await remove(run, version);
    try {
      await writeAll(await run.getDirectoryHandle(version, { create: true }), files);
      await writeAll(run, new Map([[CURRENT, new TextEncoder().encode(version)]]));
    } catch (error) {
      // The room that it took is needed, and no list shows it.
      await discard(runs, name, version).catch(() => {});
      throw error;
    }
    for (const other of await entryNames(run)) if (other !== version && other !== CURRENT) await remove(run, other);
  });
}

/** Removes a version that is not whole, and the run's folder where there was none before. */
async function discard(runs: FileSystemDirectoryHandle, name: string, version: string): Promise<void> {
  const run = await runs.getDirectoryHandle(name);
  await remove(run, version);
  if ((await currentVersion(run)) === undefined) await remove(runs, name);
}

/** All saved runs, the last changed first. */
export function listRuns(): Promise<StoredRun[]> {
  return storage(undefined, async (runs) => {
    const found: StoredRun[] = [];
    for (const name of await entryNames(runs)) found.push(...(await listed(runs, name)));
    return found.sort((a, b) => b.modified - a.modified);
  });
}

/** None where the run is not whole, or was replaced or deleted while it was looked at. */
async function listed(runs: FileSystemDirectoryHandle, name: string): Promise<StoredRun[]> {
  try {
    const folder = await openVersion(runs, name);
    return folder === undefined ? [] : [{ name, ...(await aboutRun(await filesOf(folder))) }];
  } catch (error) {
    if ((error as DOMException).name === "NotFoundError") return [];
    throw error;
  }
}

async function aboutRun(entries: readonly [string, FileSystemFileHandle][]): Promise<Omit<StoredRun, "name">> {
  const files = new Map(
    await Promise.all(entries.map(async ([path, handle]) => [path, await handle.getFile()] as const)),
  );
  return {
    bytes: [...files.values()].reduce((total, { size }) => total + size, 0),
    modified: Math.max(0, ...[...files.values()].map(({ lastModified }) => lastModified)),
    ...describeRun([...files.keys()], await files.get("config.json")?.text()),
  };
}

export function loadRun(name: string): Promise<RunFiles> {
  return storage(name, async (runs) => {
    const folder = (await entryNames(runs)).includes(name) ? await openVersion(runs, name) : undefined;
    if (folder === undefined) {
      throw new EngineError(
        "file",
        `storage: there must be a run "${name}" in this browser, got none; list them again`,
      );
    }
    const read = async ([path, handle]: [string, FileSystemFileHandle]) =>
      [path, new Uint8Array(await (await handle.getFile()).arrayBuffer())] as const;
    return new Map(await Promise.all((await filesOf(folder)).map(read)));
  });
}

export const deleteRun = (name: string): Promise<void> => storage(name, (runs) => remove(runs, name));

function checkName(name: string): void {
  if (/^\w[\w .+-]{0,99}$/.test(name) && !/[. ]$/.test(name)) return;
  throw new EngineError(
    "config",
    `storage: a name must have 1 to 100 letters, digits, spaces, ".", "+", "-" and "_", got ${JSON.stringify(name)}; choose another`,
  );
}

/**
 * Works in the folder of runs; what the browser refuses is said in words.
 *
 * @param name the run that is worked on: no other worker or tab works on it meanwhile
 */
async function storage<Result>(
  name: string | undefined,
  work: (runs: FileSystemDirectoryHandle) => Promise<Result>,
): Promise<Result> {
  try {
    const root = await navigator.storage.getDirectory();
    const runs = await root.getDirectoryHandle(FOLDER, { create: true });
    return await (name === undefined ? work(runs) : navigator.locks.request(`${FOLDER}/${name}`, () => work(runs)));
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const { name, message } = error as DOMException;
    // A quota may also show as a write whose other end went away.
    const isFull = name === "QuotaExceededError" || /data pipe/.test(message);
    const next = isFull ? "delete a run, or download this one" : "download the run instead";
    throw new EngineError(
      "storage",
      `storage: the browser must let the site keep files, got ${message}; ${next}`,
      error,
    );
  }
}

async function entryNames(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names;
}

/** The version of a run that is whole. */
async function currentVersion(run: FileSystemDirectoryHandle): Promise<string | undefined> {
  const file = await run.getFileHandle(CURRENT).catch(() => undefined);
  // Empty where its own writing was cut short.
  return (file && (await (await file.getFile()).text())) || undefined;
}

async function openVersion(
  runs: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemDirectoryHandle | undefined> {
  const run = await runs.getDirectoryHandle(name);
  const version = await currentVersion(run);
  return version === undefined ? undefined : run.getDirectoryHandle(version);
}

/** Files of a folder and below, by path. */
async function filesOf(folder: FileSystemDirectoryHandle, above = ""): Promise<[string, FileSystemFileHandle][]> {
  const found: [string, FileSystemFileHandle][] = [];
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === "file") found.push([`${above}${name}`, handle as FileSystemFileHandle]);
    else found.push(...(await filesOf(handle as FileSystemDirectoryHandle, `${above}${name}/`)));
  }
  return found;
}

async function writeAll(folder: FileSystemDirectoryHandle, files: RunFiles): Promise<void> {
  for (const [path, bytes] of files) {
    const names = path.split("/");
    let place = folder;
    for (const name of names.slice(0, -1)) place = await place.getDirectoryHandle(name, { create: true });
    const file = await place.getFileHandle(names.at(-1)!, { create: true });
    const writable = await file.createWritable();
    try {
      await writable.write(bytes as Uint8Array<ArrayBuffer>);
      await writable.close();
    } catch (error) {
      // Who writes a file keeps it from being removed.
      await writable.abort().catch(() => {});
      throw error;
    }
  }
}

async function remove(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  await folder.removeEntry(name, { recursive: true }).catch((error: DOMException) => {
    if (error.name !== "NotFoundError") throw error;
  });
}
