import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { WebFiles } from "./webFiles.ts";

const dir = mkdtempSync(path.join(tmpdir(), "mod-web-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const textOf = async (files: WebFiles, address: string) =>
  Buffer.from(await files.find(address)!.read()).toString("utf8");

test("a page that was not built says what to do", () => {
  expect(() => new WebFiles(dir)).toThrow("run npm run build:web");
});

test("the page is told of the server; scripts are found as they are, what is beside the folder is not", async () => {
  mkdirSync(path.join(dir, "assets"));
  writeFileSync(path.join(dir, "index.html"), '<html data-server="none">');
  writeFileSync(path.join(dir, "assets/a.js"), "1;");
  const files = new WebFiles(dir);
  expect(await textOf(files, "/")).toBe('<html data-server="local">');
  expect(files.find("/assets/a.js")).toMatchObject({ type: "text/javascript; charset=utf-8", isFixed: true });
  expect(await textOf(files, "/assets/a.js")).toBe("1;");
  expect(files.find("/../a.js")).toBeUndefined();
});

test("the whole corpus is served although it was not packed; a part of it only if it was", async () => {
  const files = new WebFiles(dir);
  const documents = JSON.parse(await textOf(files, "/engine/sotu.json")) as { name: string; text: string }[];
  expect(documents).toHaveLength(233);
  expect(documents.map(({ name }) => name)).toEqual(documents.map(({ name }) => name).sort());
  expect(files.find("/engine/sotu-recent.json")).toBeUndefined();
});
