import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { dataInside } from "./dataInside.ts";
import { RunsFolder, refuseLinks } from "./runsFolder.ts";
import { fileFolder } from "./testing/fileFolder.ts";

/** Folders of these names are as those of another user are; permissions would not keep a superuser's tests out. */
vi.mock(import("node:fs"), async (original) => {
  const fs = await original();
  const refusing = (work: (...args: never[]) => unknown, names: RegExp) =>
    ((file: string, ...rest: never[]) => {
      if (names.test(file)) throw Object.assign(new Error(`EACCES: permission denied, ${file}`), { code: "EACCES" });
      return work(file as never, ...rest);
    }) as never;
  return {
    ...fs,
    readdirSync: refusing(fs.readdirSync, /unlistable$/),
    lstatSync: refusing(fs.lstatSync, /unreachable\/./),
  };
});

const dir = fileFolder();
const root = path.join(dir, "runs");

function makeRun(...names: string[]): string {
  const place = path.join(dir, ...names);
  mkdirSync(path.join(place, "checkpoints"), { recursive: true });
  for (const file of ["config.json", "tokenizer.json"]) writeFileSync(path.join(place, file), "{}");
  return place;
}

makeRun("runs", "first");
makeRun("runs", "group", "inner");
makeRun("runs", "group", "ünder score");
const outside = makeRun("outside");
symlinkSync(outside, path.join(root, "link"));
symlinkSync(root, path.join(root, "loop"));
mkdirSync(path.join(root, "half"));
symlinkSync(path.join(outside, "config.json"), path.join(root, "half", "config.json"));
writeFileSync(path.join(root, "half", "tokenizer.json"), "{}");
const folder = new RunsFolder(root);

test("lists the runs of all levels, and none that a link leads to", () => {
  expect(folder.ids()).toEqual(["first", "group/inner", "group/ünder score"]);
});

test("what may not be read is left out; the folder itself must be there", () => {
  const some = path.join(dir, "some");
  for (const name of ["first", "unreachable"]) makeRun("some", name);
  mkdirSync(path.join(some, "unlistable"));
  const shown = new RunsFolder(some);
  expect(shown.ids()).toEqual(["first"]);
  expect(shown.resolve("unreachable")).toBeNull();
  expect(shown.resolve("unreachable/inner")).toBeNull();
  rmSync(some, { recursive: true });
  expect(() => shown.ids()).toThrow(/some must be a folder that can be read, got ENOENT; put it back/);
});

test("resolves the ids that it lists", () => {
  for (const id of folder.ids()) expect(folder.resolve(id)).toBe(path.join(folder.root, ...id.split("/")));
});

test.each(
  "../outside,..,.,first/..,first/../../outside,group/../first,/first,first/,link,loop/first,half,group,nothing,,first\0,a\\b".split(
    ",",
  ),
)("no id leads elsewhere: %j", (id) => {
  expect(folder.resolve(id)).toBeNull();
});

test("an absolute path is no id", () => {
  expect(folder.resolve(outside)).toBeNull();
  expect(folder.resolve(path.join(root, "first"))).toBeNull();
});

test("a run in the place of a folder is the only one there is", () => {
  const one = new RunsFolder(path.join(root, "first"));
  expect(one.ids()).toEqual(["first"]);
  expect(one.resolve("first")).toBe(path.join(folder.root, "first"));
  expect(one.resolve("group/inner")).toBeNull();
  expect(one.place("new")).toBeNull();
});

test("places for new runs: plain names that are free", () => {
  expect(folder.place("new-run.2")).toBe(path.join(folder.root, "new-run.2"));
  for (const name of ["first", "link", "../x", "a/b", ".hidden", "-flag", "", "x".repeat(65)]) {
    expect(folder.place(name), name).toBeNull();
  }
});

test("refuses what is no folder", () => {
  expect(() => new RunsFolder(path.join(dir, "nowhere"))).toThrow(/must be a folder with runs, got nothing there/);
  expect(() => new RunsFolder(path.join(outside, "config.json"))).toThrow(/got a file/);
});

test("a run that holds a link at any depth is not opened", () => {
  const run = makeRun("runs", "linked");
  expect(() => refuseLinks(run, "inspect")).not.toThrow();
  symlinkSync("/etc/hostname", path.join(run, "checkpoints", "weights.safetensors"));
  expect(() => refuseLinks(run, "inspect")).toThrow(/inspect: a run must hold no links, got weights.safetensors/);
});

test("training data lies below the server's folder, links followed", () => {
  mkdirSync(path.join(dir, "texts"));
  expect(dataInside(dir, ["sotu", "texts"])).toEqual(["sotu", expect.stringMatching(/texts$/)]);
  for (const source of ["..", "/etc/hostname", "texts/../..", "nowhere", "."]) {
    expect(() => dataInside(dir, [source]), source).toThrow(/must be sotu, or lie below/);
  }
  expect(() => dataInside(root, ["link"])).toThrow(/must be sotu, or lie below/);
});
