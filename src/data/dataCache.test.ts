import { cpSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { temporaryFolder } from "../run/testing/temporaryFolder.ts";
import { type DataChoice, openOrPrepareData, preparedFolder } from "./dataCache.ts";
import type { PrepareProgress } from "./prepare.ts";

let dir: string;
let choice: DataChoice;
const texts = ["one text of some words", "another text", "a third one, longer than the others"];

beforeEach(() => {
  dir = temporaryFolder();
  mkdirSync(path.join(dir, "texts", "deeper"), { recursive: true });
  texts.forEach((text, i) => {
    writeFileSync(path.join(dir, "texts", i === 0 ? "deeper" : "", `${i}.txt`), text);
  });
  choice = {
    sources: [path.join(dir, "texts")],
    ...{ textColumn: "text", tokenizer: { kind: "bytes" }, validationFraction: 0.3, splitSeed: 0 },
  };
});

const file = (name: string) => path.join(dir, "texts", name);

/** Opens the data; tells its folder, its texts and whether it was prepared just now. */
async function open(change: Partial<DataChoice> = {}) {
  const phases = new Set<PrepareProgress["phase"]>();
  const data = await openOrPrepareData(
    { ...choice, ...change },
    { cacheDir: path.join(dir, "cache"), onProgress: ({ phase }) => phases.add(phase) },
  );
  const found = (["train", "validation"] as const).flatMap((part) =>
    Array.from({ length: data[part].documents }, (_, i) => data.tokenizer.decode(data[part].documentTokens(i))),
  );
  data.close();
  return { dir: data.dir, texts: found.sort(), prepared: phases.size > 0, seed: data.summary.seed };
}

const cached = () => readdirSync(path.join(dir, "cache"));

test("the first call prepares, the second opens what the first prepared", async () => {
  const first = await open();
  expect(first).toMatchObject({ prepared: true, texts: [...texts].sort() });
  expect(await open()).toEqual({ ...first, prepared: false });
  expect(cached()).toHaveLength(1);
});

describe("prepares anew", () => {
  test("when a file has another length", async () => {
    await open();
    writeFileSync(file("1.txt"), "changed, and longer");
    expect(await open()).toMatchObject({ prepared: true, texts: expect.arrayContaining(["changed, and longer"]) });
  });

  test("when a file deeper in a folder has another time of change", async () => {
    await open();
    utimesSync(file("deeper/0.txt"), 1000, 1000);
    expect((await open()).prepared).toBe(true);
  });

  test("when a file is added", async () => {
    await open();
    writeFileSync(file("4.txt"), "new");
    expect(await open()).toMatchObject({ prepared: true, texts: expect.arrayContaining(["new"]) });
  });

  test.each<[string, Partial<DataChoice>]>([
    ["tokenizer", { tokenizer: { kind: "bpe", vocabSize: 260 } }],
    ["validation fraction", { validationFraction: 0.5 }],
    ["split seed", { splitSeed: 1 }],
    ["text column", { textColumn: "body" }],
  ])("for another %s", async (_, change) => {
    await open();
    expect((await open(change)).prepared).toBe(true);
    expect((await open()).prepared).toBe(false);
    expect(cached()).toHaveLength(2);
  });

  test("when the tokenizer's file changes", async () => {
    const tokenizer = { kind: "file", path: path.join(dir, "tokenizer.json") } as const;
    const { ByteTokenizer } = await import("./tokenizer/byteTokenizer.ts");
    const write = (indent: number) =>
      writeFileSync(tokenizer.path, JSON.stringify(new ByteTokenizer().toJson(), null, indent));
    write(0);
    expect((await open({ tokenizer })).prepared).toBe(true);
    expect((await open({ tokenizer })).prepared).toBe(false);
    write(2);
    expect((await open({ tokenizer })).prepared).toBe(true);
  });
});

test("the split seed reaches the split", async () => {
  expect((await open({ splitSeed: 3 })).seed).toBe(3);
});

test("a relative and an absolute path name the same data", async () => {
  await open();
  expect((await open({ sources: [path.relative(process.cwd(), choice.sources[0]!)] })).prepared).toBe(false);
});

test("a prepared folder is used as it is, without the cache", async () => {
  const first = await open();
  const direct = await open({ sources: [first.dir], splitSeed: 99, tokenizer: { kind: "gpt2" } });
  expect(direct).toEqual({ ...first, prepared: false });
  expect(cached()).toHaveLength(1);
  expect(preparedFolder([first.dir])).toBe(first.dir);
});

test("a prepared folder beside another source is no text", async () => {
  const first = await open();
  expect(preparedFolder([first.dir, file("1.txt")])).toBeUndefined();
});

test("standard input is refused, with what to do instead", async () => {
  await expect(open({ sources: [file("1.txt"), "-"] })).rejects.toThrow(
    "data: standard input can be read only once; run `mod data prepare --data - --out DIR`, then --data DIR",
  );
});

test("a failed preparation leaves nothing in the cache, and can be tried again", async () => {
  await expect(open({ sources: [path.join(dir, "nowhere")] })).rejects.toThrow("a source must exist");
  await expect(open({ sources: [path.join(dir, "nowhere")] })).rejects.toThrow("a source must exist");
  expect(cached()).toEqual([]);
});

test("two processes that prepare the same at the same time both get it", async () => {
  const [first, second] = [path.join(dir, "cache"), path.join(dir, "other")];
  await open();
  // As if the other process had finished while this one was still writing.
  const onProgress = ({ phase }: PrepareProgress) => {
    if (phase === "writing") cpSync(first, second, { recursive: true });
  };
  const data = await openOrPrepareData(choice, { cacheDir: second, onProgress });
  expect(data.train.documents + data.validation.documents).toBe(3);
  data.close();
  expect(readdirSync(second)).toEqual(cached());
});
