import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../testing/cases.ts";
import { TextStream } from "./textStream.ts";

/** A stream whose token i has bytes `tokens[i]`; texts stand for their UTF-8. */
function streamOf(tokens: readonly (string | Uint8Array)[], stop?: readonly string[]): TextStream {
  const encoder = new TextEncoder();
  const bytes = tokens.map((token) => (typeof token === "string" ? encoder.encode(token) : token));
  return new TextStream((id) => bytes[id]!, stop);
}

/** The text of each token, then that of the end, up to the token that stops it. */
function textsOf(tokens: readonly (string | Uint8Array)[], stop?: readonly string[]): string[] {
  const stream = streamOf(tokens, stop);
  const texts: string[] = [];
  for (let id = 0; id < tokens.length; id++) {
    const { text, stopped } = stream.push(id);
    texts.push(text);
    if (stopped) return [...texts, "stopped"];
  }
  return [...texts, stream.end()];
}

describe("characters", () => {
  const euro = new TextEncoder().encode("€");

  test("of several tokens come with the last of them", () => {
    expect(textsOf(["a", euro.subarray(0, 1), euro.subarray(1, 2), euro.subarray(2), "b"])).toEqual([
      "a",
      "",
      "",
      "€",
      "b",
      "",
    ]);
  });

  test("cut short become U+FFFD, at the end or by what follows", () => {
    expect(textsOf([euro.subarray(0, 2)])).toEqual(["", "\ufffd"]);
    expect(textsOf([euro.subarray(0, 2), "a"])).toEqual(["", "\ufffda", ""]);
  });

  test("of a byte order mark stay", () => {
    expect(textsOf(["\ufeff", "a\ufeff"])).toEqual(["\ufeff", "a\ufeff", ""]);
  });

  test("of tokens without bytes are none", () => {
    expect(textsOf(["a", new Uint8Array(), "b"])).toEqual(["a", "", "b", ""]);
  });
});

describe("stop strings", () => {
  test.each<[string, string[], string[], string[]]>([
    ["end the text before them", ["ab", "\n\n", "cd"], ["\n\n"], ["ab", "", "stopped"]],
    ["hide what follows in their token", ["a.b"], ["."], ["a", "stopped"]],
    ["may span tokens", ["one E", "N", "D two"], ["END"], ["one ", "", "", "stopped"]],
    ["are let go when they turn out to be others", ["one E", "N", "d"], ["END"], ["one ", "", "ENd", ""]],
    ["are let go at the end", ["one EN"], ["END"], ["one ", "EN"]],
    ["may begin within a false start of their own", ["aa", "a", "b"], ["aab"], ["", "a", "", "stopped"]],
    ["hold back as much as the longest may need", ["x12", "3", "5"], ["3x", "1234"], ["x", "", "1235", ""]],
    ["that are complete first win", ["abc", "d"], ["abcd", "c"], ["ab", "stopped"]],
    ["that are complete first win, in one token too", ["abcd"], ["abcd", "c"], ["ab", "stopped"]],
    ["that begin first win among those complete together", ["xabc"], ["c", "abc", "bc"], ["x", "stopped"]],
    ["may be long before they fail", ["<|e", "nd|", "!"], ["<|end|>", "nd|>"], ["", "", "<|end|!", ""]],
  ])("%s", (_, tokens, stop, texts) => {
    expect(textsOf(tokens, stop)).toEqual(texts);
  });

  test("may span the bytes of a character", () => {
    const bytes = new TextEncoder().encode("a😀b");
    expect(textsOf([bytes.subarray(0, 3), bytes.subarray(3, 5), bytes.subarray(5)], ["😀b"])).toEqual([
      "a",
      "",
      "",
      "stopped",
    ]);
  });

  test("share half a character with another without harm", () => {
    expect(textsOf(["😁", "x"], ["😀"])).toEqual(["😁", "x", ""]);
  });

  test("may be met by a character cut short at the end", () => {
    const stream = streamOf([Uint8Array.of(0x61, 0xe2)], ["\ufffd"]);
    expect(stream.push(0)).toEqual({ text: "a", stopped: false });
    expect(stream.end()).toBe("");
  });

  test("once met let nothing through", () => {
    const stream = streamOf(["a.", "b"], ["."]);
    expect(stream.push(0)).toEqual({ text: "a", stopped: true });
    expect(stream.push(1)).toEqual({ text: "", stopped: true });
    expect(stream.end()).toBe("");
  });

  test("must not be empty", () => {
    expect(() => streamOf([], ["a", ""])).toThrow(
      new RangeError('TextStream: a stop string must have at least one character, got "" at 1; leave it out'),
    );
  });
});

describe("however the bytes are cut into tokens, the text is that up to the first stop string", () => {
  const someCuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 10 });

  test("for texts of few characters, full of near matches", () => {
    const letters = ["a", "b", "é", "😀", "\ufeff"];
    const text = (minLength: number, maxLength: number) =>
      fc.array(fc.constantFrom(...letters), { minLength, maxLength }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text(0, 30), fc.array(text(1, 5), { maxLength: 3 }), someCuts, (full, stop, cuts) => {
        const tokens = cutInto(new TextEncoder().encode(full), cuts);
        expect(joined(tokens, stop)).toBe(untilStop(full, stop));
      }),
      cases(2000),
    );
  });

  test("for any bytes", () => {
    const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x61, 0xe2, 0x82, 0xac, 0xf0, 0x9f));
    const someBytes = fc.array(byte, { maxLength: 40 }).map((bytes) => Uint8Array.from(bytes));
    const someStop = fc.array(fc.constantFrom("a", "€", "\ufffd\ufffd", "€a", "a€\ufffd"), { maxLength: 2 });
    fc.assert(
      fc.property(someBytes, someStop, someCuts, (bytes, stop, cuts) => {
        const full = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
        expect(joined(cutInto(bytes, cuts), stop)).toBe(untilStop(full, stop));
      }),
      cases(2000),
    );
  });
});

/** Tokens of these lengths, in turn. */
function cutInto(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += tokens.at(-1)!.length) {
    tokens.push(bytes.subarray(start, start + lengths[tokens.length % lengths.length]!));
  }
  return tokens;
}

const joined = (tokens: readonly Uint8Array[], stop: readonly string[]): string =>
  textsOf(tokens, stop)
    .filter((text) => text !== "stopped")
    .join("");

/** The text before the first stop string to be complete, as a reader finds it character by character. */
function untilStop(text: string, stop: readonly string[]): string {
  for (let length = 1; length <= text.length; length++) {
    const read = text.slice(0, length);
    const met = stop.filter((string) => read.endsWith(string)).map((string) => string.length);
    if (met.length > 0) return read.slice(0, length - Math.max(...met));
  }
  return text;
}
