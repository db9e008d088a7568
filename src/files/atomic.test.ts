import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../run/testing/temporaryFolder.ts";
import { cleanTemporary, removeFolderAtomic, WriteError, writeFileAtomic, writeFolderAtomic } from "./atomic.ts";

test("a file is made, then replaced, and nothing else is left", () => {
  const dir = temporaryFolder();
  const path = join(dir, "config.json");
  writeFileAtomic(path, "one");
  writeFileAtomic(path, new TextEncoder().encode("zwei ü"));
  expect(readFileSync(path, "utf8")).toBe("zwei ü");
  expect(readdirSync(dir)).toEqual(["config.json"]);
});

test("a file that can't be put in place leaves nothing and says so", () => {
  const dir = temporaryFolder();
  mkdirSync(join(dir, "taken"));
  writeFileSync(join(dir, "taken", "x"), "");
  expect(() => writeFileAtomic(join(dir, "taken"), "data")).toThrow(WriteError);
  expect(() => writeFileAtomic(join(dir, "no/such/file"), "data")).toThrow("got no such folder (ENOENT)");
  expect(readdirSync(dir)).toEqual(["taken"]);
});

test("a folder appears with everything that was written into it", () => {
  const dir = temporaryFolder();
  const path = join(dir, "step");
  writeFolderAtomic(path, (temp) => {
    mkdirSync(join(temp, "inner"));
    writeFileSync(join(temp, "inner", "a"), "1");
    expect(existsSync(path)).toBe(false);
  });
  expect(readFileSync(join(path, "inner", "a"), "utf8")).toBe("1");
  expect(readdirSync(dir)).toEqual(["step"]);
});

test("a folder that is there is replaced as a whole", () => {
  const dir = temporaryFolder();
  const path = join(dir, "step");
  writeFolderAtomic(path, (temp) => writeFileSync(join(temp, "old"), ""));
  writeFolderAtomic(path, (temp) => writeFileSync(join(temp, "new"), ""));
  expect(readdirSync(path)).toEqual(["new"]);
  expect(readdirSync(dir)).toEqual(["step"]);
});

test("a fill that fails leaves the old folder and no temporary one, and its error passes unchanged", () => {
  const dir = temporaryFolder();
  const path = join(dir, "step");
  writeFolderAtomic(path, (temp) => writeFileSync(join(temp, "old"), ""));
  const failing = (temp: string): void => {
    writeFileSync(join(temp, "new"), "");
    throw new Error("the router has no weights");
  };
  expect(() => writeFolderAtomic(path, failing)).toThrow("the router has no weights");
  expect(readdirSync(path)).toEqual(["old"]);
  expect(readdirSync(dir)).toEqual(["step"]);
});

test("cleaning removes half-written things and nothing else", () => {
  const dir = temporaryFolder();
  mkdirSync(join(dir, "step.partial-0123456789ab"));
  writeFileSync(join(dir, "step.partial-0123456789ab", "x"), "");
  writeFileSync(join(dir, "config.json.partial-abcdefabcdef"), "{");
  writeFileSync(join(dir, "my.partial-notes"), "keep");
  writeFileSync(join(dir, "config.json"), "{}");
  expect(cleanTemporary(dir).sort()).toEqual(["config.json.partial-abcdefabcdef", "step.partial-0123456789ab"]);
  expect(readdirSync(dir).sort()).toEqual(["config.json", "my.partial-notes"]);
  expect(cleanTemporary(join(dir, "absent"))).toEqual([]);
});

test("a folder moved aside comes back if its replacement never arrived", () => {
  const dir = temporaryFolder();
  mkdirSync(join(dir, "a.replaced-0123456789ab"));
  mkdirSync(join(dir, "b.replaced-0123456789ab"));
  mkdirSync(join(dir, "b"));
  cleanTemporary(dir);
  expect(readdirSync(dir).sort()).toEqual(["a", "b"]);
});

test("a removed folder is gone", () => {
  const dir = temporaryFolder();
  writeFolderAtomic(join(dir, "step"), (temp) => writeFileSync(join(temp, "a"), ""));
  removeFolderAtomic(join(dir, "step"));
  expect(readdirSync(dir)).toEqual([]);
});
