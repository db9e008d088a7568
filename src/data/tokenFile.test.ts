import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cases } from "../testing/cases.ts";
import { TokenFile } from "./tokenFile.ts";
import { encodeHeader, fileBytes, indexOffset, type TokenFileHeader, tokenOffset } from "./tokenFileHeader.ts";
import { TokenFileWriter } from "./tokenFileWriter.ts";

const tokenizerHash = "ab".repeat(32);
let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "mod-tokens-"));
  file = path.join(dir, "x.tokens");
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(
  documents: readonly (readonly number[])[],
  vocabSize: number,
  endOfText = vocabSize - 1,
): TokenFileHeader {
  const writer = new TokenFileWriter(file, { vocabSize, endOfText, tokenizerHash });
  for (const ids of documents) writer.addDocument(ids, ids.length * 2);
  return writer.finish();
}

describe("token files", () => {
  it.each([
    [300, 16],
    [65_536, 16],
    [65_537, 32],
  ])("keep documents as they are: vocabulary of %i, %i bits", (vocabSize, bits) => {
    const document = fc.array(fc.nat(vocabSize - 2), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(document, { minLength: 1, maxLength: 8 }), (documents) => {
        expect(write(documents, vocabSize).bits).toBe(bits);
        const tokens = TokenFile.open(file);
        const stream = documents.flatMap((ids) => [vocabSize - 1, ...ids]);
        expect([...tokens.read(0, tokens.tokens)]).toEqual(stream);
        expect(documents.map((_, i) => [...tokens.documentTokens(i)])).toEqual(documents);
        expect(tokens.documents).toBe(documents.length);
        expect(tokens.textBytes).toBe(2 * (stream.length - documents.length));
        const start = Math.floor(stream.length / 3);
        const count = Math.min(2, stream.length - start);
        expect([...tokens.read(start, count)]).toEqual(stream.slice(start, start + count));
        tokens.close();
      }),
      cases(60),
    );
  });

  it("keep their description", () => {
    write([[1, 2, 3], []], 1000, 7);
    const tokens = TokenFile.open(file);
    const { vocabSize, endOfText, documents } = tokens;
    expect({ vocabSize, endOfText, tokens: tokens.tokens, documents }).toEqual({
      vocabSize: 1000,
      endOfText: 7,
      tokens: 5,
      documents: 2,
    });
    expect(tokens.tokenizerHash).toBe(tokenizerHash);
    expect(tokens.documentRange(0)).toEqual({ start: 0, end: 4 });
    expect(tokens.documentRange(1)).toEqual({ start: 4, end: 5 });
    expect([...tokens.documentStarts(0, 2)]).toEqual([0, 4]);
    tokens.close();
    expect(() => tokens.read(0, 1)).toThrow("is closed");
  });

  it("span many buffers", () => {
    const long = Array.from({ length: 1_300_001 }, (_, i) => i % 70_000);
    write([long, [5], long], 70_001);
    const tokens = TokenFile.open(file);
    const stream = Int32Array.from([70_000, ...long, 70_000, 5, 70_000, ...long]);
    // Comparing element by element in the assertion would take a minute.
    expect(Buffer.compare(Buffer.from(tokens.read(0, tokens.tokens).buffer), Buffer.from(stream.buffer))).toBe(0);
    expect(tokens.documentRange(1)).toEqual({ start: 1_300_002, end: 1_300_004 });
    tokens.close();
  });

  it("appear whole or not at all", () => {
    const writer = new TokenFileWriter(file, { vocabSize: 300, endOfText: 256, tokenizerHash });
    writer.addDocument([1, 2], 2);
    expect(readdirSync(dir)).toEqual([`x.tokens.partial-${process.pid}`]);
    expect(() => TokenFile.open(path.join(dir, `x.tokens.partial-${process.pid}`))).toThrow("is no token file");
    writer.abort();
    expect(readdirSync(dir)).toEqual([]);
    write([[1]], 300);
    expect(readdirSync(dir)).toEqual(["x.tokens"]);
  });

  it("refuse ids of another tokenizer, and a hash that is none", () => {
    const writer = new TokenFileWriter(file, { vocabSize: 300, endOfText: 256, tokenizerHash });
    for (const id of [300, -1, Number.NaN, 256]) {
      expect(() => writer.addDocument([1, id], 1)).toThrow(
        `ids of a document must lie in [0, 300) and not be endOfText 256, got ${id}`,
      );
    }
    writer.abort();
    expect(() => new TokenFileWriter(file, { vocabSize: 300, endOfText: 1, tokenizerHash: "x" })).toThrow(
      "64 hexadecimal digits",
    );
  });

  it("refuse foreign, truncated and newer files", () => {
    writeFileSync(file, "a text file");
    expect(() => TokenFile.open(file)).toThrow("is no token file: it does not start with MODTOKEN");
    const header = write([[1, 2, 3]], 300);
    const whole = readFileSync(file);
    writeFileSync(file, whole.subarray(0, -1));
    expect(() => TokenFile.open(file)).toThrow(`must have ${fileBytes(header)} bytes, got ${whole.length - 1}`);
    writeFileSync(file, whole.subarray(0, 60));
    expect(() => TokenFile.open(file)).toThrow("is no token file");
    const newer = Buffer.from(whole);
    newer.writeUInt32LE(9, 8);
    writeFileSync(file, newer);
    expect(() => TokenFile.open(file)).toThrow("must have version 1, got 9");
    const damaged = Buffer.from(whole);
    damaged.writeUInt32LE(8, 12);
    writeFileSync(file, damaged);
    expect(() => TokenFile.open(file)).toThrow("damaged header");
    expect(() => TokenFile.open(path.join(dir, "none.tokens"))).toThrow("ENOENT");
  });

  it("refuse ranges that they do not have", () => {
    write([[1, 2, 3]], 300);
    const tokens = TokenFile.open(file);
    for (const [start, count] of [
      [-1, 1],
      [0, 5],
      [4, 1],
      [0.5, 1],
      [0, -1],
    ] as const) {
      expect(() => tokens.read(start, count)).toThrow("tokens must lie in [0, 4)");
    }
    expect(() => tokens.documentRange(1)).toThrow("documents must lie in [0, 1), got 1 from 1");
    tokens.close();
  });

  it("say when they are cut while open", () => {
    write([Array.from({ length: 1000 }, () => 1)], 300);
    const tokens = TokenFile.open(file);
    truncateSync(file, 200);
    expect(() => tokens.read(0, 1000)).toThrow("it was truncated");
    tokens.close();
  });
});

/** A file with holes: `tokens` ids, all 0 but those given; takes no disk space to speak of. */
function writeSparse(header: TokenFileHeader, ids: ReadonlyMap<number, number>, starts: readonly number[]): void {
  const handle = openSync(file, "w");
  writeSync(handle, encodeHeader(header), 0, 128, 0);
  const bytes = Buffer.alloc(8);
  for (const [position, id] of ids) {
    bytes.writeUInt32LE(id, 0);
    writeSync(handle, bytes, 0, header.bits / 8, tokenOffset(header, position));
  }
  starts.forEach((start, i) => {
    bytes.writeBigUInt64LE(BigInt(start), 0);
    writeSync(handle, bytes, 0, 8, indexOffset(header) + 8 * i);
  });
  closeSync(handle);
}

describe("token files beyond 4 GiB", () => {
  it.each([16, 32] as const)("are read by position in little memory: %i bits", (bits) => {
    // 5e9 tokens: neither token numbers nor byte positions fit 32 bits.
    const header: TokenFileHeader = {
      bits,
      vocabSize: 60_000,
      endOfText: 3,
      tokens: 5e9,
      documents: 3,
      textBytes: 2e10,
      tokenizerHash,
    };
    const far = 4_999_999_998;
    writeSparse(
      header,
      new Map([
        [0, 3],
        [far, 59_999],
        [far + 1, 17],
      ]),
      [0, 2 ** 32 + 1, far - 5],
    );
    const before = process.memoryUsage();
    const tokens = TokenFile.open(file);
    expect(tokens.tokens).toBe(5e9);
    expect([...tokens.read(far - 1, 3)]).toEqual([0, 59_999, 17]);
    expect(tokens.documentRange(1)).toEqual({ start: 2 ** 32 + 1, end: far - 5 });
    expect([...tokens.documentTokens(2)]).toEqual([0, 0, 0, 0, 59_999, 17]);
    tokens.close();
    const after = process.memoryUsage();
    expect(after.rss - before.rss).toBeLessThan(50e6);
  });
});
