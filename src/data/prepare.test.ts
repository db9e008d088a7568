import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openData } from "./openData.ts";
import { type PrepareOptions, type PrepareProgress, prepareData } from "./prepare.ts";
import { trainBpe } from "./tokenizer/trainBpe.ts";

let dir: string;
let source: string;
const lines = Array.from({ length: 60 }, (_, i) => `Document ${i} says ${"hello there ".repeat(i % 7)}and goodbye.`);

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "mod-prepare-"));
  source = path.join(dir, "texts.jsonl");
  writeFileSync(source, lines.map((text) => `${JSON.stringify({ text })}\n`).join(""));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

const options = (more: Partial<PrepareOptions> = {}): PrepareOptions => ({
  sources: [source],
  tokenizer: { kind: "bytes" },
  outDir: path.join(dir, "out"),
  validationFraction: 0.2,
  ...more,
});

/** The texts of a part, decoded. */
function textsOf(dir: string, part: "train" | "validation"): string[] {
  const data = openData(dir);
  const texts = Array.from({ length: data[part].documents }, (_, i) =>
    data.tokenizer.decode(data[part].documentTokens(i)),
  );
  data.close();
  return texts;
}

describe("prepareData", () => {
  it("clears what a killed preparation of the same folder left, and nothing that still runs", async () => {
    const dead = path.join(dir, "out.partial-999999999-x");
    const alive = path.join(dir, `out.partial-${process.pid}-x`);
    for (const folder of [dead, alive]) mkdirSync(folder);
    (await prepareData(options())).close();
    expect([existsSync(dead), existsSync(alive)]).toEqual([false, true]);
  });

  it.each<PrepareOptions["tokenizer"]>([{ kind: "bytes" }, { kind: "bpe", vocabSize: 290 }, { kind: "gpt2" }])(
    "keeps every document in one of the parts: %o",
    async (tokenizer) => {
      const data = await prepareData(options({ tokenizer }));
      expect(readdirSync(data.dir).sort()).toEqual([
        "data.json",
        "tokenizer.json",
        "train.tokens",
        "validation.tokens",
      ]);
      expect(readdirSync(dir).sort()).toEqual(["out", "texts.jsonl"]);
      const [train, validation] = [textsOf(data.dir, "train"), textsOf(data.dir, "validation")];
      expect([...train, ...validation].sort()).toEqual([...lines].sort());
      expect(validation.length).toBeGreaterThan(3);
      const names = validation.map((text) => `texts.jsonl:${lines.indexOf(text) + 1}`);
      expect(data.summary.validation).toMatchObject({ names, documents: validation.length });
      const bytes = (texts: string[]) => Buffer.byteLength(texts.join(""));
      expect([data.train.textBytes, data.validation.textBytes]).toEqual([bytes(train), bytes(validation)]);
      expect(data.train.tokenizerHash).toBe(data.tokenizerHash);
      data.close();
    },
  );

  it("trains the BPE on the training part alone", async () => {
    const data = await prepareData(options({ tokenizer: { kind: "bpe", vocabSize: 290 } }));
    const own = await trainBpe(textsOf(data.dir, "train"), { vocabSize: 290 });
    expect(data.tokenizer.toJson()).toEqual(own.tokenizer.toJson());
    data.close();
  });

  it("gives the same bytes for the same options", async () => {
    const [a, b] = ["a", "b"].map((name) => path.join(dir, name));
    for (const outDir of [a!, b!])
      (await prepareData(options({ outDir, tokenizer: { kind: "bpe", vocabSize: 280 } }))).close();
    for (const name of readdirSync(a!)) {
      expect(readFileSync(path.join(a!, name)).equals(readFileSync(path.join(b!, name))), name).toBe(true);
    }
  });

  it("uses a tokenizer.json that it is given, and says when a vocabulary came out smaller", async () => {
    const first = await prepareData(options({ tokenizer: { kind: "bpe", vocabSize: 9000 } }));
    expect(first.summary.tokenizer.shortfall).toContain("instead of 9000");
    first.close();
    const file = path.join(first.dir, "tokenizer.json");
    const second = await prepareData(
      options({ tokenizer: { kind: "file", path: file }, outDir: path.join(dir, "two") }),
    );
    expect(second.tokenizerHash).toBe(first.tokenizerHash);
    expect(second.train.tokens).toBe(first.train.tokens);
    second.close();
  });

  it("reads standard input once for all passes, and splits a single document by position", async () => {
    const text = `${lines.join("\n\n")}\n`;
    vi.spyOn(process, "stdin", "get").mockReturnValue(Readable.from([text]) as typeof process.stdin);
    const data = await prepareData(options({ sources: ["-"], tokenizer: { kind: "bpe", vocabSize: 280 } }));
    expect(data.summary).toMatchObject({ splitBy: "position", sources: ["-"], validation: { names: ["-"] } });
    expect(textsOf(data.dir, "train")[0]! + textsOf(data.dir, "validation")[0]!).toBe(text);
    expect(readdirSync(data.dir)).toHaveLength(4);
    data.close();
  });

  it("reports progress phase by phase, and leaves documents without text out", async () => {
    writeFileSync(source, `{"text":""}\n${readFileSync(source, "utf8")}`);
    const seen: PrepareProgress[] = [];
    const data = await prepareData(
      options({ tokenizer: { kind: "bpe", vocabSize: 270 }, onProgress: (p) => seen.push(p) }),
    );
    expect([...new Set(seen.map((p) => p.phase))]).toEqual(["reading", "counting", "merging", "writing"]);
    expect(seen.at(-1)).toEqual({ phase: "writing", documents: 60, totalDocuments: 60 });
    expect(data.summary.emptyDocuments).toBe(1);
    data.close();
  });

  it("leaves nothing behind when it fails", async () => {
    writeFileSync(source, '{"text":"fine"}\n{"text":"fine too"}\nbroken\n');
    await expect(prepareData(options())).rejects.toThrow("texts.jsonl line 3 is not JSON");
    expect(readdirSync(dir)).toEqual(["texts.jsonl"]);
  });

  it("notices sources that change under it", async () => {
    let changed = false;
    const onProgress = (progress: PrepareProgress) => {
      if (progress.phase !== "reading" || changed) return;
      if (progress.documents === 60) {
        changed = true;
        writeFileSync(source, '{"text":"less"}\n');
      }
    };
    await expect(prepareData(options({ onProgress }))).rejects.toThrow("got 60 documents, then 1");
  });

  it("refuses a folder in use and tokenizers that cannot be, before it reads", async () => {
    mkdirSync(path.join(dir, "out"));
    (await prepareData(options())).close();
    await expect(prepareData(options())).rejects.toThrow("outDir must not exist or be empty");
    await expect(prepareData(options({ outDir: source }))).rejects.toThrow("outDir must be a folder");
    const outDir = path.join(dir, "three");
    const onProgress = () => expect.unreachable("nothing may be read");
    const bpe = { kind: "bpe", vocabSize: 100 } as const;
    await expect(prepareData(options({ outDir, tokenizer: bpe, onProgress }))).rejects.toThrow("vocabSize must be");
    const file = { kind: "file", path: source } as const;
    await expect(prepareData(options({ outDir, tokenizer: file, onProgress }))).rejects.toThrow("must be JSON");
    await expect(prepareData(options({ outDir, validationFraction: 1 }))).rejects.toThrow("between 0 and 1");
    expect(existsSync(outDir)).toBe(false);
  });
});

describe("openData", () => {
  const out = () => path.join(dir, "out");

  beforeEach(async () => {
    (await prepareData(options({ tokenizer: { kind: "bpe", vocabSize: 270 } }))).close();
  });

  it.each<[string, () => void, string]>([
    [
      "a folder that is not there",
      () => rmSync(out(), { recursive: true }),
      "out does not exist; prepare the data first",
    ],
    ["an unfinished folder", () => rmSync(path.join(out(), "data.json")), "out has no data.json"],
    ["a missing tokenizer", () => rmSync(path.join(out(), "tokenizer.json")), "tokenizer.json must be a readable file"],
    ["a broken summary", () => writeFileSync(path.join(out(), "data.json"), "{}"), "  - format:"],
    ["a summary that is no JSON", () => writeFileSync(path.join(out(), "data.json"), "{"), "data.json must be JSON"],
    [
      "parts that were swapped",
      () => copyFileSync(path.join(out(), "validation.tokens"), path.join(out(), "train.tokens")),
      "documents as data.json says, got",
    ],
    [
      "a part that was cut",
      () =>
        writeFileSync(
          path.join(out(), "validation.tokens"),
          readFileSync(path.join(out(), "validation.tokens")).subarray(0, 300),
        ),
      "bytes, got 300",
    ],
  ])("refuses %s", (_, damage, message) => {
    damage();
    expect(() => openData(out())).toThrow(message);
  });

  it("refuses another tokenizer", async () => {
    const other = (await trainBpe(["some other text, other text"], { vocabSize: 270 })).tokenizer;
    writeFileSync(path.join(out(), "tokenizer.json"), JSON.stringify(other.toJson()));
    expect(() => openData(out())).toThrow("must be written with the folder's tokenizer");
  });
});
