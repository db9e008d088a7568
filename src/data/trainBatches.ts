import { hashText, randomBelow } from "../random.ts";
import { type Batch, checkBatchShape } from "./batch.ts";
import { seededPermutation } from "./permutation.ts";
import type { TokenStream } from "./tokenStream.ts";

export interface TrainBatchesOptions {
  /** B. */
  readonly batchSize: number;
  /** T. */
  readonly seqLen: number;
  readonly seed: number;
}

/** The next window to be read: window `index` of the order of epoch `epoch`. */
export interface TrainPosition {
  readonly epoch: number;
  readonly index: number;
}

/** Keys that keep the two random streams apart. */
const PHASE = hashText("train batches: phase");
const ORDER = hashText("train batches: order");

interface EpochOrder {
  readonly epoch: number;
  readonly phase: number;
  readonly permute: (index: number) => number;
}

/**
 * Batches from the training stream, in an order that the seed fixes.
 *
 * An epoch cuts the stream into `windowsPerEpoch` windows of T + 1 tokens, the last of one being the first of the next:
 * inputs are the first T, targets the last T. Every epoch starts the cut at another offset below T and shuffles the
 * windows anew, both from (seed, epoch) alone; the shuffle is computed, not stored, so the size of the file costs no
 * memory. A batch takes the next B windows and may straddle two epochs.
 *
 * The same file, options and position give the same batch, bit for bit.
 */
export class TrainBatches {
  readonly windowsPerEpoch: number;
  readonly #file: TokenStream;
  readonly #options: TrainBatchesOptions;
  readonly #window: Int32Array;
  #order: EpochOrder | undefined;
  #position: TrainPosition = { epoch: 0, index: 0 };

  constructor(file: TokenStream, options: TrainBatchesOptions) {
    const { batchSize, seqLen } = options;
    checkBatchShape("TrainBatches", batchSize, seqLen);
    if (file.tokens < seqLen + 1) {
      throw new RangeError(
        `TrainBatches: the stream must hold a window of seqLen + 1 = ${seqLen + 1} tokens, got ${file.tokens} in ` +
          `${file.path}; give more text or lower seqLen`,
      );
    }
    this.#file = file;
    this.#options = options;
    this.#window = new Int32Array(seqLen + 1);
    // One window less than fits at offset 0, so that every offset below T leaves room for as many.
    this.windowsPerEpoch = Math.max(1, Math.floor(file.tokens / seqLen) - 1);
  }

  /** Where the next batch starts. */
  get position(): TrainPosition {
    return this.#position;
  }

  /** Goes to a position, for instance one that a checkpoint kept. */
  seek(position: TrainPosition): void {
    const { epoch, index } = position;
    const sound = Number.isSafeInteger(epoch) && epoch >= 0 && Number.isSafeInteger(index);
    if (!sound || index < 0 || index >= this.windowsPerEpoch) {
      throw new RangeError(
        `TrainBatches: position must have an epoch >= 0 and an index in [0, ${this.windowsPerEpoch}), got ` +
          `epoch ${epoch}, index ${index}; the run that kept it used another file or seqLen`,
      );
    }
    this.#position = { epoch, index };
  }

  #orderOf(epoch: number): EpochOrder {
    if (this.#order?.epoch === epoch) return this.#order;
    const { seqLen, seed } = this.#options;
    const offsets = Math.min(seqLen, this.#file.tokens - this.windowsPerEpoch * seqLen);
    this.#order = {
      epoch,
      phase: randomBelow(offsets, seed, PHASE, epoch),
      permute: seededPermutation(this.windowsPerEpoch, seed, ORDER, epoch),
    };
    return this.#order;
  }

  /** Token position at which the window of a position starts. */
  windowStart(position: TrainPosition): number {
    const { phase, permute } = this.#orderOf(position.epoch);
    return phase + permute(position.index) * this.#options.seqLen;
  }

  /** The next batch; moves the position on by `batchSize` windows. */
  next(): Batch {
    const { batchSize, seqLen } = this.#options;
    const tokens = new Int32Array(batchSize * seqLen);
    const targets = new Int32Array(batchSize * seqLen);
    const documents = new Int32Array(batchSize * seqLen);
    for (let row = 0; row < batchSize; row++) {
      this.#file.readInto(this.#window, 0, this.windowStart(this.#position), seqLen + 1);
      tokens.set(this.#window.subarray(0, seqLen), row * seqLen);
      targets.set(this.#window.subarray(1), row * seqLen);
      this.#numberDocuments(documents.subarray(row * seqLen, (row + 1) * seqLen));
      const { epoch, index } = this.#position;
      this.#position = index + 1 < this.windowsPerEpoch ? { epoch, index: index + 1 } : { epoch: epoch + 1, index: 0 };
    }
    return { batchSize, seqLen, tokens, targets, documents };
  }

  /** Document numbers of the row in the window: 0 at its start, one more at each later `<|endoftext|>`. */
  #numberDocuments(row: Int32Array): void {
    let document = 0;
    for (let t = 1; t < row.length; t++) {
      if (this.#window[t] === this.#file.endOfText) document++;
      row[t] = document;
    }
  }
}
