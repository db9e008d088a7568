import { describe, expect, it } from "vitest";
import { ByteTokenizer } from "./tokenizer/byteTokenizer.ts";
import { tokenizerFromJson } from "./tokenizer/loadTokenizer.ts";
import { trainBpe } from "./tokenizer/trainBpe.ts";
import { tokenizerHash } from "./tokenizerHash.ts";

describe("tokenizerHash", () => {
  it("tells tokenizers apart, and knows one again after saving", async () => {
    const first = (await trainBpe(["abab cdcd"], { vocabSize: 260 })).tokenizer;
    const second = (await trainBpe(["cdcd efef"], { vocabSize: 260 })).tokenizer;
    const hashes = [new ByteTokenizer(), first, second].map(tokenizerHash);
    expect(new Set(hashes).size).toBe(3);
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    const reloaded = tokenizerFromJson(JSON.parse(JSON.stringify(first.toJson(), null, 2)));
    expect(tokenizerHash(reloaded)).toBe(hashes[1]);
  });

  it("does not depend on the order of keys", () => {
    const tokenizer = new ByteTokenizer();
    const turned = Object.fromEntries(Object.entries(tokenizer.toJson()).reverse());
    const other = Object.assign(new ByteTokenizer(), { toJson: () => turned });
    expect(tokenizerHash(other)).toBe(tokenizerHash(tokenizer));
  });
});
