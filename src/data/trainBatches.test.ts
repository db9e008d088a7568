import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TokenFile } from "./tokenFile.ts";
import { encodeHeader, fileBytes, type TokenFileHeader } from "./tokenFileHeader.ts";
import { TokenFileWriter } from "./tokenFileWriter.ts";
import { TrainBatches } from "./trainBatches.ts";

const END = 9999;
const tokenizerHash = "00".repeat(32);
let dir: string;
let tokens: TokenFile;

/** Documents of these lengths; ids count up along the stream, so that an id tells its position. */
function open(lengths: readonly number[]): TokenFile {
  const file = path.join(dir, "train.tokens");
  const writer = new TokenFileWriter(file, { vocabSize: 10_000, endOfText: END, tokenizerHash });
  let at = 0;
  for (const length of lengths) {
    writer.addDocument(
      Array.from({ length }, (_, i) => at + 1 + i),
      length,
    );
    at += length + 1;
  }
  writer.finish();
  return TokenFile.open(file);
}

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "mod-batches-"));
  tokens = open([40, 3, 0, 100, 61, 12]);
});
afterEach(() => {
  tokens.close();
  rmSync(dir, { recursive: true });
});

describe("TrainBatches", () => {
  it("gives inputs and the tokens that follow them", () => {
    const stream = tokens.read(0, tokens.tokens);
    const batches = new TrainBatches(tokens, { batchSize: 3, seqLen: 8, seed: 1 });
    for (let step = 0; step < 20; step++) {
      const starts = [0, 1, 2].map((row) => {
        const ahead = new TrainBatches(tokens, { batchSize: 1, seqLen: 8, seed: 1 });
        ahead.seek(batches.position);
        for (let i = 0; i < row; i++) ahead.next();
        return ahead.windowStart(ahead.position);
      });
      const batch = batches.next();
      starts.forEach((start, row) => {
        expect(batch.tokens.subarray(row * 8, row * 8 + 8)).toEqual(stream.subarray(start, start + 8));
        expect(batch.targets.subarray(row * 8, row * 8 + 8)).toEqual(stream.subarray(start + 1, start + 9));
      });
    }
  });

  it("numbers the documents of a row from 0", () => {
    const batches = new TrainBatches(tokens, { batchSize: 1, seqLen: 16, seed: 3 });
    let several = 0;
    for (let step = 0; step < 60; step++) {
      const batch = batches.next();
      let document = 0;
      const expected = [...batch.tokens].map((id, t) => (t > 0 && id === END ? ++document : document));
      expect([...batch.documents]).toEqual(expected);
      if (document > 1) several++;
    }
    expect(several).toBeGreaterThan(0);
  });

  it("covers an epoch without overlap, each window once, at a phase of its own", () => {
    const seqLen = 8;
    const batches = new TrainBatches(tokens, { batchSize: 1, seqLen, seed: 5 });
    expect(batches.windowsPerEpoch).toBe(Math.floor(tokens.tokens / seqLen) - 1);
    const phases = new Set<number>();
    const orders = new Set<string>();
    for (let epoch = 0; epoch < 30; epoch++) {
      const starts = Array.from({ length: batches.windowsPerEpoch }, (_, index) =>
        batches.windowStart({ epoch, index }),
      );
      const sorted = [...starts].sort((a, b) => a - b);
      const phase = sorted[0]!;
      expect(phase).toBeLessThan(seqLen);
      expect(sorted).toEqual(sorted.map((_, i) => phase + i * seqLen));
      expect(sorted.at(-1)! + seqLen + 1).toBeLessThanOrEqual(tokens.tokens);
      phases.add(phase);
      orders.add(starts.map((s) => s - phase).join());
    }
    expect(phases.size).toBe(seqLen);
    expect(orders.size).toBe(30);
  });

  it("continues from a position bit for bit, across epochs", () => {
    const options = { batchSize: 5, seqLen: 8, seed: 7 };
    const whole = new TrainBatches(tokens, options);
    const positions = [];
    const expected = [];
    for (let step = 0; step < 25; step++) {
      positions.push(whole.position);
      expected.push(whole.next());
    }
    expect(whole.position.epoch).toBeGreaterThan(2);
    const windows = whole.position.epoch * whole.windowsPerEpoch + whole.position.index;
    expect(windows).toBe(125);
    for (const step of [0, 4, 11, 24]) {
      const resumed = new TrainBatches(tokens, options);
      resumed.seek(positions[step]!);
      expect(resumed.next()).toEqual(expected[step]);
    }
    const other = new TrainBatches(tokens, { ...options, seed: 8 });
    expect(other.next().tokens).not.toEqual(expected[0]!.tokens);
  });

  it.each([9, 15, 16, 17, 24])("works with %i tokens for windows of 9", (count) => {
    tokens.close();
    tokens = open([count - 1]);
    const batches = new TrainBatches(tokens, { batchSize: 2, seqLen: 8, seed: 1 });
    for (let step = 0; step < 40; step++) batches.next();
    expect(batches.windowsPerEpoch).toBe(Math.max(1, Math.floor(count / 8) - 1));
  });

  it("refuses a stream that is too short, and positions and shapes that cannot be", () => {
    const short = () => new TrainBatches(tokens, { batchSize: 1, seqLen: 500, seed: 0 });
    expect(short).toThrow("must hold a window of seqLen + 1 = 501 tokens, got 222");
    expect(() => new TrainBatches(tokens, { batchSize: 0, seqLen: 8, seed: 0 })).toThrow(
      "batchSize must be a positive",
    );
    const batches = new TrainBatches(tokens, { batchSize: 1, seqLen: 8, seed: 0 });
    expect(() => batches.seek({ epoch: 0, index: batches.windowsPerEpoch })).toThrow("an index in [0, 26)");
    expect(() => batches.seek({ epoch: -1, index: 0 })).toThrow("got epoch -1, index 0");
  });

  it("draws at once from a file of 10 GB", () => {
    const header: TokenFileHeader = {
      bits: 16,
      vocabSize: 10_000,
      endOfText: END,
      tokens: 5e9,
      documents: 1,
      textBytes: 1,
      tokenizerHash,
    };
    const file = path.join(dir, "large.tokens");
    const handle = openSync(file, "w");
    writeSync(handle, encodeHeader(header), 0, 128, 0);
    closeSync(handle);
    truncateSync(file, fileBytes(header));
    const large = TokenFile.open(file);
    const batches = new TrainBatches(large, { batchSize: 64, seqLen: 512, seed: 0 });
    expect(batches.windowsPerEpoch).toBe(9_765_624);
    batches.seek({ epoch: 3, index: batches.windowsPerEpoch - 3 });
    expect(batches.next().tokens).toHaveLength(64 * 512);
    expect(batches.position).toEqual({ epoch: 4, index: 61 });
    const starts = Array.from({ length: 200 }, (_, index) => batches.windowStart({ epoch: 0, index }));
    expect(Math.max(...starts)).toBeGreaterThan(2 ** 32);
    large.close();
  });
});
