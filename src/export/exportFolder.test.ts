import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeExport } from "./exportFolder.ts";

const folder = mkdtempSync(path.join(tmpdir(), "mod-export-folder-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fillWith =
  (content: string, name = "model.json") =>
  (dir: string) =>
    writeFileSync(path.join(dir, name), content);
const place = (...names: string[]) => path.join(folder, ...names);

test("makes the folder and those above it, and tells files and sizes", () => {
  const files = writeExport(place("a", "b", "c"), false, (dir) => {
    fillWith("12345", "step.onnx")(dir);
    fillWith("{}")(dir);
  });
  expect(files).toEqual([
    { name: "model.json", bytes: 2 },
    { name: "step.onnx", bytes: 5 },
  ]);
  expect(readdirSync(place("a", "b"))).toEqual(["c"]);
});

test("takes an empty folder", () => {
  mkdirSync(place("empty"));
  expect(writeExport(place("empty"), false, fillWith("x"))).toHaveLength(1);
});

test("replaces an earlier export only if told to, and as a whole", () => {
  writeExport(place("again"), false, fillWith("old", "config.json"));
  expect(() => writeExport(place("again"), false, fillWith("new"))).toThrow(
    /must be new or empty, got an export; .*--force/,
  );
  expect(readdirSync(place("again"))).toEqual(["config.json"]);
  writeExport(place("again"), true, fillWith("new"));
  expect(readdirSync(place("again"))).toEqual(["model.json"]);
});

test("never replaces what is no export", () => {
  mkdirSync(place("mine"));
  writeFileSync(place("mine", "thesis.txt"), "years of work");
  for (const force of [false, true]) {
    expect(() => writeExport(place("mine"), force, fillWith("x"))).toThrow(
      /got a folder with thesis.txt; use another --out/,
    );
  }
  writeFileSync(place("file"), "x");
  expect(() => writeExport(place("file"), true, fillWith("x"))).toThrow(/must be a folder, got a file/);
  expect(readFileSync(place("mine", "thesis.txt"), "utf8")).toBe("years of work");
});

test("a failure leaves the earlier export, and nothing else", () => {
  writeExport(place("kept", "one"), false, fillWith("old"));
  const fail = (dir: string) => {
    fillWith("half")(dir);
    throw new Error("no more paper");
  };
  expect(() => writeExport(place("kept", "one"), true, fail)).toThrow("no more paper");
  expect(() => writeExport(place("kept", "two"), false, fail)).toThrow("no more paper");
  expect(readdirSync(place("kept"))).toEqual(["one"]);
  expect(readFileSync(place("kept", "one", "model.json"), "utf8")).toBe("old");
});
