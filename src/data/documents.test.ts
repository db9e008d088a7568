import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ReadOptions, readDocuments } from "./documents.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/data", import.meta.url));
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "mod-documents-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

function put(name: string, content: string | Uint8Array): string {
  const file = path.join(dir, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

async function read(sources: string[], options?: ReadOptions) {
  const documents: { name: string; text: string }[] = [];
  for await (const document of readDocuments(sources, options)) documents.push(document);
  return documents;
}

describe("readDocuments", () => {
  it("reads text files whole, packed or not, without a byte order mark", async () => {
    const files = [put("a.txt", "\ufeffone\r\ntwo\n"), put("b.md", "# é"), put("c.txt.gz", gzipSync("packed 漢"))];
    expect(await read(files)).toEqual([
      { name: "a.txt", text: "one\r\ntwo\n" },
      { name: "b.md", text: "# é" },
      { name: "c.txt.gz", text: "packed 漢" },
    ]);
  });

  it("reads a folder and what is below it, sorted by path, leaving other files aside", async () => {
    put("b.txt", "b");
    put("sub/a.jsonl", '{"text":"j"}\n');
    put("a.md", "a");
    put("sub/deep/z.txt", "z");
    put("picture.png", "no text");
    put("folder.txt/inner.txt", "inner");
    const names = (await read([dir])).map((d) => d.name);
    expect(names).toEqual(["a.md", "b.txt", "folder.txt/inner.txt", "sub/a.jsonl:1", "sub/deep/z.txt"]);
  });

  it("reads JSON lines, packed or not, from any field, across chunks", async () => {
    const long = "x".repeat(3_000_000);
    const lines = `{"text":"one\\n1","n":1}\r\n\n  \n{"n":2,"text":""}\n{"text":"${long}"}\n{"text":"last"}`;
    const expected = ["one\n1", "", long, "last"];
    for (const file of [put("d.jsonl", lines), put("d.jsonl.gz", gzipSync(lines))]) {
      const documents = await read([file]);
      expect(documents.map((d) => d.text)).toEqual(expected);
      expect(documents.map((d) => d.name.split(":")[1])).toEqual(["1", "4", "5", "6"]);
    }
    const story = put("s.jsonl", '{"story":"once"}\n');
    expect(await read([story], { textColumn: "story" })).toEqual([{ name: "s.jsonl:1", text: "once" }]);
  });

  it("stops reading when the caller stops", async () => {
    const file = put("d.jsonl.gz", gzipSync('{"text":"a"}\n'.repeat(100_000)));
    for await (const document of readDocuments([file])) {
      expect(document.text).toBe("a");
      break;
    }
  });

  it.each(["snappy", "zstd", "gzip", "none", "brotli", "lz4"])("reads Parquet: %s", async (codec) => {
    const file = path.join(fixtures, `${codec}.parquet`);
    const documents = await read([file]);
    expect(documents).toHaveLength(7);
    expect(documents[4]!.name).toBe(`${codec}.parquet#4`);
    expect(documents[4]!.text).toMatch(/^Document 4: the quick .* naïve café — 漢字 👍$/);
    expect((await read([file], { textColumn: "content" }))[6]!.text).toMatch(/^DOCUMENT 6: THE QUICK/);
  });

  it("reads the State of the Union corpus by name", async () => {
    const documents = await read(["sotu"]);
    expect(documents).toHaveLength(233);
    expect(documents[0]!.name).toBe("1790_george_washington_n.txt");
    expect(documents.reduce((sum, d) => sum + Buffer.byteLength(d.text), 0)).toBe(10_761_413);
  });

  it("reads standard input, or a file in its place", async () => {
    const input = Readable.from([
      Buffer.from("from "),
      Buffer.from("input é").subarray(0, 6),
      Buffer.from("é").subarray(0, 1),
      Buffer.from("é").subarray(1),
    ]);
    vi.spyOn(process, "stdin", "get").mockReturnValue(input as typeof process.stdin);
    expect(await read(["-"])).toEqual([{ name: "-", text: "from input é" }]);
    expect(await read(["-"], { standardInput: put("spool", "kept") })).toEqual([{ name: "-", text: "kept" }]);
  });

  it.each<[string, () => string, string]>([
    ["a missing file", () => path.join(dir, "none.txt"), "a source must exist"],
    ["an unknown extension", () => put("a.pdf", ""), "unknown extension; sources are .txt, .md, .txt.gz, .jsonl"],
    [
      "an empty folder",
      () => {
        mkdirSync(path.join(dir, "e"));
        return path.join(dir, "e");
      },
      "holds no .txt, .md",
    ],
    [
      "bytes that are no UTF-8",
      () => put("l.txt", Uint8Array.of(0x63, 0xe9)),
      "l.txt is not; convert it, for instance: iconv",
    ],
    [
      "a broken archive",
      () => put("b.txt.gz", gzipSync("x".repeat(99)).subarray(0, 20)),
      "b.txt.gz cannot be unpacked",
    ],
    ["a line that is no JSON", () => put("n.jsonl", '{"text":"a"}\nplain\n'), "n.jsonl line 2 is not JSON: plain"],
    [
      "a line without the field",
      () => put("f.jsonl", '\n{"body":"a","id":1}\n'),
      'f.jsonl line 2 must hold a string in the field "text", got fields body, id',
    ],
    ["a line that is no object", () => put("o.jsonl", "17\n"), "got fields none"],
    ["an inherited field", () => put("p.jsonl", "{}\n"), "got fields none"],
    [
      "a line that is no UTF-8",
      () => put("u.jsonl", Uint8Array.of(0x22, 0xe9, 0x22)),
      "u.jsonl line 1 is not; convert it",
    ],
    [
      "a broken archive of lines",
      () => put("b.jsonl.gz", gzipSync('{"text":"a"}\n').subarray(0, 20)),
      "b.jsonl.gz cannot be read after line",
    ],
    ["a Parquet file that is none", () => put("x.parquet", "hello there"), "x.parquet is no whole Parquet file"],
    [
      "a row without text",
      () => path.join(fixtures, "missing-text.parquet"),
      'row 1 must hold a string in the column "text"',
    ],
  ])("refuses %s", async (_, source, message) => {
    await expect(read([source()])).rejects.toThrow(message);
  });

  it("lists the columns when the Parquet column is missing", async () => {
    const file = path.join(fixtures, "snappy.parquet");
    const rule = 'must have the column "body", got columns text, content, score; name one with textColumn';
    await expect(read([file], { textColumn: "body" })).rejects.toThrow(rule);
    await expect(read([])).rejects.toThrow("needs a source, got none");
  });
});
