import { describe, expect, it } from "vitest";
import { ByteTokenizer } from "./byteTokenizer.ts";
import { tokenizerFromJson } from "./loadTokenizer.ts";
import { trainBpe } from "./trainBpe.ts";

// biome-ignore lint/suspicious/noExplicitAny: the tests break files in ways that no type allows.
type Json = Record<string, any>;

async function json(): Promise<Json> {
  const { tokenizer } = await trainBpe(["low lower lowest low low newer newest"], { vocabSize: 264 });
  return JSON.parse(JSON.stringify(tokenizer.toJson()));
}

describe("tokenizerFromJson", () => {
  it("reads merges as strings and as pairs alike", async () => {
    const file = await json();
    const pairs = { ...file, model: { ...file.model, merges: file.model.merges.map((m: string) => m.split(" ")) } };
    expect(file.model.merges).toHaveLength(7);
    expect(tokenizerFromJson(pairs).toJson()).toEqual(file);
  });

  it("reads the older form of GPT-2's own file", async () => {
    const file = await json();
    delete file.model.type;
    file.model.continuing_subword_prefix = "";
    file.pre_tokenizer = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
    file.post_processor = { type: "ByteLevel", add_prefix_space: true, trim_offsets: false };
    const text = "lower newest";
    expect(tokenizerFromJson(file).encode(text)).toEqual(tokenizerFromJson(await json()).encode(text));
  });

  it("keeps ids that the file gives, in any order and with gaps", async () => {
    const file = await json();
    for (const name of Object.keys(file.model.vocab)) file.model.vocab[name] = 600 - 2 * file.model.vocab[name];
    file.added_tokens[0].id = file.model.vocab["<|endoftext|>"];
    const tokenizer = tokenizerFromJson(file);
    expect(tokenizer.vocabSize).toBe(601);
    expect(tokenizer.decode(tokenizer.encode("lower"))).toBe("lower");
    expect(tokenizer.tokenBytes(599)).toHaveLength(0);
    expect(tokenizerFromJson(JSON.parse(JSON.stringify(tokenizer.toJson()))).toJson()).toEqual(tokenizer.toJson());
  });

  it.each<[string, (file: Json) => void, string]>([
    [
      "another model",
      (f) => {
        f.model.type = "Unigram";
      },
      'model.type must be "BPE", got "Unigram"',
    ],
    [
      "a normalizer",
      (f) => {
        f.normalizer = { type: "NFC" };
      },
      "normalizer must be null",
    ],
    [
      "a prefix space",
      (f) => {
        f.pre_tokenizer.add_prefix_space = true;
      },
      "add_prefix_space must be false",
    ],
    [
      "another pre-tokenizer",
      (f) => {
        f.pre_tokenizer = { type: "Metaspace" };
      },
      "must be ByteLevel alone",
    ],
    [
      "no expression",
      (f) => {
        f.pre_tokenizer.use_regex = false;
      },
      "use_regex must be true",
    ],
    [
      "byte fallback",
      (f) => {
        f.model.byte_fallback = true;
      },
      "model.byte_fallback is not supported, got true",
    ],
    [
      "dropout",
      (f) => {
        f.model.dropout = 0.1;
      },
      "model.dropout is not supported",
    ],
    [
      "tokens found in text",
      (f) => {
        f.added_tokens.push({ id: 300, content: "ab", special: false });
      },
      "must be special",
    ],
    [
      "a foreign alphabet",
      (f) => {
        f.model.vocab["▁a"] = 300;
      },
      "byte-level alphabet",
    ],
    [
      "an id twice",
      (f) => {
        f.model.vocab.zzz = 5;
      },
      'distinct integers in [0, 1048576), got 5 for "zzz"',
    ],
    [
      "an id that is none",
      (f) => {
        f.model.vocab.zzz = 1.5;
      },
      "got 1.5",
    ],
    [
      "a merge of unknown tokens",
      (f) => {
        f.model.merges.push("q z");
      },
      'merge "q z" must name two tokens',
    ],
    [
      "missing bytes",
      (f) => {
        delete f.model.vocab["!"];
      },
      "must hold all 256 bytes, got none for byte 33",
    ],
    [
      "no end of text",
      (f) => {
        f.added_tokens = [];
        delete f.model.vocab["<|endoftext|>"];
      },
      "got none; add <|endoftext|>",
    ],
  ])("refuses %s", async (_, change, message) => {
    const file = await json();
    change(file);
    expect(() => tokenizerFromJson(file)).toThrow(message);
  });

  it("names every reason at once, and refuses what is no tokenizer at all", async () => {
    const file = await json();
    file.normalizer = { type: "NFC" };
    file.model.type = "WordPiece";
    expect(() => tokenizerFromJson(file)).toThrow(/normalizer must be null[\s\S]*model\.type must be/);
    for (const junk of [null, 3, [], {}, "x"]) expect(() => tokenizerFromJson(junk)).toThrow("object with a model");
  });

  it("knows the byte tokenizer", () => {
    expect(tokenizerFromJson(new ByteTokenizer().toJson())).toBeInstanceOf(ByteTokenizer);
  });
});
