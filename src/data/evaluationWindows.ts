import { checkBatchShape, type EvaluationBatch } from "./batch.ts";
import type { TokenStream } from "./tokenStream.ts";

/** A stretch of one document to be scored on its own. */
export interface EvaluationWindow {
  /** Position of the first target among the document's tokens. */
  readonly start: number;
  /** `length` inputs: `<|endoftext|>`, then all targets but the last. */
  readonly tokens: Int32Array;
  /** `length` tokens to predict. */
  readonly targets: Int32Array;
  readonly length: number;
}

/** Windows that are read when iterated over, as often as wanted. */
export interface EvaluationWindows extends Iterable<EvaluationWindow> {
  /** Number of windows. */
  readonly length: number;
  /** Targets of all windows. */
  readonly tokens: number;
}

function makeWindow(text: ArrayLike<number>, start: number, endOfText: number): EvaluationWindow {
  const length = text.length;
  const whole = new Int32Array(length + 1);
  whole[0] = endOfText;
  whole.set(text, 1);
  return { start, tokens: whole.subarray(0, length), targets: whole.subarray(1), length };
}

/**
 * The windows of a document: its tokens (without `<|endoftext|>`) in stretches of `seqLen` that do not overlap, the
 * last one shorter. Each is scored after `<|endoftext|>` alone, so every token of the text is scored exactly once:
 *
 *     inputs  [endOfText, t0 .. t(n-2)]      targets  [t0 .. t(n-1)]      n <= seqLen
 *
 * An empty document has no window.
 */
export function evaluationWindows(
  tokensOfDocument: ArrayLike<number>,
  seqLen: number,
  endOfText: number,
): EvaluationWindow[] {
  checkBatchShape("evaluationWindows", 1, seqLen);
  const ids = Int32Array.from(tokensOfDocument);
  const windows: EvaluationWindow[] = [];
  for (let start = 0; start < ids.length; start += seqLen) {
    windows.push(makeWindow(ids.subarray(start, start + seqLen), start, endOfText));
  }
  return windows;
}

/** Where the windows of a file lie: position of the first target in the stream, in the document, and length. */
class WindowPlan {
  readonly streamStarts: number[] = [];
  readonly starts: number[] = [];
  readonly lengths: number[] = [];

  constructor(file: TokenStream, seqLen: number) {
    const starts = file.documentStarts(0, file.documents);
    for (let document = 0; document < starts.length; document++) {
      const first = starts[document]! + 1;
      const end = starts[document + 1] ?? file.tokens;
      for (let at = first; at < end; at += seqLen) {
        this.streamStarts.push(at);
        this.starts.push(at - first);
        this.lengths.push(Math.min(seqLen, end - at));
      }
    }
  }

  tokensOf(chosen: readonly number[]): number {
    return chosen.reduce((sum, window) => sum + this.lengths[window]!, 0);
  }

  /** `count` windows at even distances. */
  spread(count: number): number[] {
    const total = this.lengths.length;
    return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * total) / count));
  }

  /** As many evenly spread windows as `maxTokens` has room for; one at least. */
  choose(maxTokens: number): number[] {
    const total = this.lengths.length;
    const all = this.tokensOf(this.spread(total));
    if (all <= maxTokens) return this.spread(total);
    let chosen = this.spread(Math.max(1, Math.ceil((total * maxTokens) / all)));
    for (let sum = this.tokensOf(chosen); chosen.length > 1 && sum > maxTokens; sum = this.tokensOf(chosen)) {
      const fewer = Math.min(chosen.length - 1, Math.floor((chosen.length * maxTokens) / sum));
      chosen = this.spread(Math.max(1, fewer));
    }
    return chosen;
  }
}

/**
 * The windows of all documents of a file, in order. With `maxTokens`, windows at even distances with at most so many
 * targets together (one window at least): always the same ones, for a cheap evaluation during training.
 */
export function validationWindows(
  file: TokenStream,
  seqLen: number,
  options: { readonly maxTokens?: number } = {},
): EvaluationWindows {
  checkBatchShape("validationWindows", 1, seqLen);
  const { maxTokens = Number.POSITIVE_INFINITY } = options;
  if (!(maxTokens >= 1)) throw new RangeError(`validationWindows: maxTokens must be at least 1, got ${maxTokens}`);
  const plan = new WindowPlan(file, seqLen);
  const chosen = plan.choose(maxTokens);
  return {
    length: chosen.length,
    tokens: plan.tokensOf(chosen),
    *[Symbol.iterator]() {
      for (const window of chosen) {
        const text = file.read(plan.streamStarts[window]!, plan.lengths[window]!);
        yield makeWindow(text, plan.starts[window]!, file.endOfText);
      }
    },
  };
}

/**
 * Windows in batches of `batchSize` rows, in order. Rows are padded to `seqLen` with `<|endoftext|>` inputs and
 * targets 0, and the last batch with rows of length 0: every batch has the same shape.
 */
export function* evaluationBatches(
  windows: Iterable<EvaluationWindow>,
  options: { readonly batchSize: number; readonly seqLen: number },
): Generator<EvaluationBatch> {
  const { batchSize, seqLen } = options;
  checkBatchShape("evaluationBatches", batchSize, seqLen);
  let rows: EvaluationWindow[] = [];
  for (const window of windows) {
    if (window.length > seqLen) {
      throw new RangeError(
        `evaluationBatches: windows must have at most seqLen=${seqLen} tokens, got ${window.length}`,
      );
    }
    rows.push(window);
    if (rows.length === batchSize) {
      yield padRows(rows, batchSize, seqLen);
      rows = [];
    }
  }
  if (rows.length > 0) yield padRows(rows, batchSize, seqLen);
}

function padRows(rows: readonly EvaluationWindow[], batchSize: number, seqLen: number): EvaluationBatch {
  // Every window starts with endOfText.
  const tokens = new Int32Array(batchSize * seqLen).fill(rows[0]!.tokens[0]!);
  const targets = new Int32Array(batchSize * seqLen);
  const lengths = new Int32Array(batchSize);
  rows.forEach((window, row) => {
    tokens.set(window.tokens, row * seqLen);
    targets.set(window.targets, row * seqLen);
    lengths[row] = window.length;
  });
  return { batchSize, seqLen, tokens, targets, documents: new Int32Array(batchSize * seqLen), lengths };
}
