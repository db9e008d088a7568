import { afterAll, beforeEach, expect, test, vi } from "vitest";
import type { RunFiles } from "../../src/browser.ts";
import { listRuns, loadRun, saveRun } from "./storage.ts";

/** Bytes that fit. */
const ROOM = 100;

class FakeFile {
  readonly kind = "file";
  #bytes = new Uint8Array();

  getFile = async () => new File([this.#bytes], "");

  createWritable = async () => ({
    write: async (bytes: Uint8Array<ArrayBuffer>) => {
      if (bytes.length > ROOM) throw new DOMException("no room", "QuotaExceededError");
      this.#bytes = bytes;
    },
    close: async () => {},
    abort: async () => {},
  });
}

/** A folder as the browser has it, in memory. */
class FakeFolder {
  readonly kind = "directory";
  readonly inside = new Map<string, FakeFolder | FakeFile>();

  keys = () => asynchronous(this.inside.keys());
  entries = () => asynchronous(this.inside.entries());
  getDirectoryHandle = async (name: string, options = {}) => this.#get(name, options, FakeFolder);
  getFileHandle = async (name: string, options = {}) => this.#get(name, options, FakeFile);

  async removeEntry(name: string): Promise<void> {
    if (!this.inside.delete(name)) throw gone();
  }

  #get<T extends FakeFolder | FakeFile>(name: string, { create = false }, Kind: new () => T): T {
    if (create && !this.inside.has(name)) this.inside.set(name, new Kind());
    const found = this.inside.get(name);
    if (found === undefined) throw gone();
    return found as T;
  }
}

const gone = () => new DOMException("not there", "NotFoundError");

async function* asynchronous<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* [...items];
}

let root = new FakeFolder();
const runs = () => root.inside.get("mod-runs") as FakeFolder;

beforeEach(() => {
  root = new FakeFolder();
  vi.stubGlobal("navigator", {
    storage: { getDirectory: async () => root },
    locks: { request: (_: string, work: () => Promise<unknown>) => work() },
  });
});
afterAll(() => void vi.unstubAllGlobals());

const filesOf = (bytes: number): RunFiles =>
  new Map([
    ["config.json", new Uint8Array(2)],
    ["checkpoints/step-00000001/weights.safetensors", new Uint8Array(bytes)],
  ]);

test("a save that finds no room leaves what was there before, and nothing else", async () => {
  await expect(saveRun("new", filesOf(ROOM + 1))).rejects.toThrow(/got no room; delete a run/);
  expect([...runs().inside.keys()]).toEqual([]);
  await saveRun("kept", filesOf(3));
  await expect(saveRun("kept", filesOf(ROOM + 1))).rejects.toThrow("no room");
  expect([...(runs().inside.get("kept") as FakeFolder).inside.keys()]).toEqual(["version-1", "current"]);
  expect(await loadRun("kept")).toEqual(filesOf(3));
});

test("a run that goes while runs are listed hides no other", async () => {
  for (const name of ["first", "second", "third"]) await saveRun(name, filesOf(3));
  const first = runs().inside.get("first") as FakeFolder;
  // Between its current version being read and being opened, it is deleted.
  first.getDirectoryHandle = async () => {
    throw gone();
  };
  expect((await listRuns()).map(({ name }) => name).sort()).toEqual(["second", "third"]);
});
