import { afterEach, describe, expect, test, vi } from "vitest";
import { readText, textOfRun } from "./texts.ts";

const ASSETS = "http://site.test/engine/";
const utf8 = (text: string) => new TextEncoder().encode(text);
const files = (...list: [string, string | Uint8Array][]) =>
  ({ kind: "files", files: list.map(([name, content]) => ({ name, content })) }) as const;

afterEach(() => vi.unstubAllGlobals());

test("files become documents, and files of the run folder that it names", async () => {
  const text = await readText(files(["a.txt", "kings"], ["notes", utf8("queens")], ["b\\c.md", "木"]), ASSETS);
  expect(text.documents).toEqual([
    { name: "a.txt", text: "kings" },
    { name: "notes.txt", text: "queens" },
    { name: "b/c.md", text: "木" },
  ]);
  expect(text.sources).toEqual(["text"]);
  expect([...text.files].map(([path, bytes]) => [path, new TextDecoder().decode(bytes)])).toEqual([
    ["text/a.txt", "kings"],
    ["text/notes.txt", "queens"],
    ["text/b/c.md", "木"],
  ]);
});

test("a byte order mark is no text, as in Node", async () => {
  const { documents } = await readText(files(["a.txt", "\ufeffkings"], ["b.txt", utf8("\ufeffqueens")]), ASSETS);
  expect(documents.map(({ text }) => text)).toEqual(["kings", "queens"]);
});

describe("files that can't be trained on are refused in words", () => {
  test.each<[string, ReturnType<typeof files>, RegExp]>([
    ["no UTF-8", files(["a.txt", Uint8Array.of(0xff, 0xfe, 0x41)]), /must be UTF-8 text, and a.txt is not/],
    ["two of one name", files(["a", "x"], ["a.txt", "y"]), /must have different names/],
    ["a path out of the folder", files(["../a.txt", "x"]), /must have a name without "\.\."/],
    ["no name", files(["/", "x"]), /must have a name/],
  ])("%s", async (_, source, message) => {
    await expect(readText(source, ASSETS)).rejects.toThrow(message);
  });
});

describe("a corpus of the site", () => {
  const documents = [{ name: "1981.txt", text: "my fellow citizens" }];
  const site = (answer: () => Response) =>
    vi.stubGlobal(
      "fetch",
      vi.fn(async () => answer()),
    );

  test("the whole one needs no copy in the run: Node has it", async () => {
    site(() => Response.json(documents));
    const text = await readText({ kind: "corpus", name: "sotu" }, ASSETS);
    expect(text).toEqual({ documents, sources: ["sotu"], files: new Map() });
    expect(String(vi.mocked(fetch).mock.calls[0]![0])).toBe(`${ASSETS}sotu.json`);
  });

  test("a part of it travels with the run", async () => {
    site(() => Response.json(documents));
    const text = await readText({ kind: "corpus", name: "sotu-recent" }, ASSETS);
    expect(text.sources).toEqual(["text"]);
    expect([...text.files.keys()]).toEqual(["text/1981.txt"]);
  });

  test("that is not there, or a site that does not answer", async () => {
    site(() => new Response("", { status: 404 }));
    await expect(readText({ kind: "corpus", name: "sotu" }, ASSETS)).rejects.toThrow(/\/engine\/sotu.json, got 404/);
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("offline")));
    await expect(readText({ kind: "corpus", name: "sotu" }, ASSETS)).rejects.toThrow(/got no answer/);
  });
});

describe("the text of a run that goes on", () => {
  const folder = new Map([
    ["config.json", utf8("{}")],
    ["text/a.txt", utf8("kings")],
  ]);

  test("is the one given, else that of its folder", async () => {
    expect(await textOfRun(folder, ["text"], files(["b.txt", "queens"]), ASSETS)).toEqual([
      { name: "b.txt", text: "queens" },
    ]);
    expect(await textOfRun(folder, ["text"], undefined, ASSETS)).toEqual([{ name: "a.txt", text: "kings" }]);
  });

  test("is asked for where neither is there", async () => {
    await expect(textOfRun(new Map(), ["/home/a/books"], undefined, ASSETS)).rejects.toThrow(
      "the run must be given the text it began with, /home/a/books, got none",
    );
  });
});
