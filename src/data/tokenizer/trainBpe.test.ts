import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cases } from "../../testing/cases.ts";
import { countPieces } from "./countPieces.ts";
import { learnMerges } from "./learnMerges.ts";
import { pieces } from "./pretokenize.ts";
import { type TrainBpeProgress, trainBpe } from "./trainBpe.ts";

/** Trains by the definition: counts all pairs again before every merge. */
function trainSlowly(texts: readonly string[], tokenCount: number): string[] {
  const bytesOf = (text: string) => [...Buffer.from(text)].map((byte) => String.fromCharCode(byte));
  let words = texts.flatMap((text) => pieces(text)).map(bytesOf);
  const ids = new Map(Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(byte), byte]));
  const merged: string[] = [];
  while (ids.size < tokenCount) {
    const counts = new Map<string, { left: string; right: string; count: number }>();
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++) {
        const key = `${ids.get(word[i]!)},${ids.get(word[i + 1]!)}`;
        const entry = counts.get(key) ?? { left: word[i]!, right: word[i + 1]!, count: 0 };
        entry.count++;
        counts.set(key, entry);
      }
    }
    const order = [...counts.values()].sort(
      (a, b) => b.count - a.count || ids.get(a.left)! - ids.get(b.left)! || ids.get(a.right)! - ids.get(b.right)!,
    );
    const best = order[0];
    if (best === undefined || best.count < 2) break;
    const union = best.left + best.right;
    if (!ids.has(union)) ids.set(union, ids.size);
    merged.push(`${ids.get(best.left)}+${ids.get(best.right)}=${ids.get(union)}`);
    words = words.map((word) => {
      const out: string[] = [];
      for (let i = 0; i < word.length; ) {
        const found = word[i] === best.left && word[i + 1] === best.right;
        out.push(found ? union : word[i]!);
        i += found ? 2 : 1;
      }
      return out;
    });
  }
  return merged;
}

describe("trainBpe", () => {
  it("learns the merges of the definition", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c", " ", "é"), maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 4 }), async (texts) => {
        const { tokenizer } = await trainBpe(texts, { vocabSize: 290 });
        const learned = tokenizer.merges.map((m) => `${m.left}+${m.right}=${m.result}`);
        expect(learned).toEqual(trainSlowly(texts, 289));
      }),
      cases(300),
    );
  });

  it("breaks ties by the lower left id, then the lower right id", async () => {
    const { tokenizer } = await trainBpe(["ca cb ab ca cb ab"], { vocabSize: 259 });
    // " c" occurs three times; then " a", "ab" and " c" + "b" twice each.
    expect(tokenizer.merges.map((m) => [m.left, m.right])).toEqual([
      [32, 99],
      [32, 97],
    ]);
  });

  it("does not depend on the order of the texts, and takes texts from a stream", async () => {
    const texts = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"];
    async function* reversed() {
      yield* [...texts].reverse();
    }
    const forwards = await trainBpe(texts, { vocabSize: 280 });
    const backwards = await trainBpe(reversed(), { vocabSize: 280 });
    expect(backwards.tokenizer.toJson()).toEqual(forwards.tokenizer.toJson());
  });

  it("counts bytes, merges and special tokens in vocabSize, and reports progress", async () => {
    const seen: TrainBpeProgress[] = [];
    const specialTokens = ["<|endoftext|>", "<|user|>"];
    const { tokenizer, shortfall } = await trainBpe(["hello hello hello"], {
      vocabSize: 261,
      specialTokens,
      onProgress: (p) => seen.push(p),
    });
    expect(tokenizer.vocabSize).toBe(261);
    expect(shortfall).toBeUndefined();
    expect([...tokenizer.specialTokens]).toEqual([
      ["<|endoftext|>", 259],
      ["<|user|>", 260],
    ]);
    expect(seen[0]).toEqual({ phase: "reading", texts: 1, characters: 17 });
    expect(seen.at(-1)).toEqual({ phase: "merging", tokens: 259, tokensWanted: 259 });
  });

  it("gives a smaller vocabulary, and says so, when pairs run out", async () => {
    const { tokenizer, shortfall } = await trainBpe(["abab"], { vocabSize: 1000 });
    // "ab" occurs twice, "abab" once.
    expect(tokenizer.vocabSize).toBe(258);
    expect(shortfall).toContain("the vocabulary has 258 tokens instead of 1000");
    expect((await trainBpe([], { vocabSize: 300 })).tokenizer.vocabSize).toBe(257);
  });

  it("never makes a token that is named like a special one", async () => {
    const { tokenizer } = await trainBpe(["abc abc abc abc"], { vocabSize: 300, specialTokens: ["ab"] });
    expect(tokenizer.endOfText).toBe(tokenizer.vocabSize - 1);
    expect(tokenizer.decode(tokenizer.encode("abc"))).toBe("abc");
    const texts = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.decode([id]));
    expect(texts).not.toContain("ab");
  });

  it("refuses vocabularies that cannot be", async () => {
    const refusal = (vocabSize: number) => trainBpe(["x"], { vocabSize });
    await expect(refusal(256)).rejects.toThrow("trainBpe: vocabSize must be an integer in [257, 1048576]");
    await expect(refusal(300.5)).rejects.toThrow("got 300.5");
    await expect(trainBpe(["x"], { vocabSize: 300, specialTokens: ["ab", "ab"] })).rejects.toThrow("must be distinct");
  });
});

describe("countPieces", () => {
  it("counts pieces over all texts", async () => {
    const counts = await countPieces(["a b a", "b a"]);
    expect(Object.fromEntries(counts)).toEqual({ a: 1, b: 1, " a": 2, " b": 1 });
  });

  it("forgets the rarest pieces when there are too many", async () => {
    const text = `${"the the ".repeat(10)}${Array.from({ length: 30 }, (_, i) => `w${i.toString(2)}`).join(" ")}`;
    const counts = await countPieces([text], undefined, 20);
    expect(counts.size).toBeLessThanOrEqual(10);
    expect(counts.get(" the")).toBe(19);
  });
});

describe("learnMerges", () => {
  it("never spells the same bytes twice", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(fc.tuple(word, fc.integer({ min: 1, max: 50 })), { maxLength: 12 }), (entries) => {
        const { merges, tokens } = learnMerges(new Map(entries), 400, []);
        const spelled = tokens.map((bytes) => Buffer.from(bytes).toString("latin1"));
        expect(new Set(spelled).size).toBe(spelled.length);
        expect(merges.map((m) => spelled[m.left]! + spelled[m.right]!)).toEqual(spelled.slice(256));
      }),
      cases(500),
    );
  });
});
