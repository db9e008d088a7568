/** One step's tokens, row after row: [B, T] in row-major order. */
export interface Batch {
  /** B. */
  readonly batchSize: number;
  /** T. */
  readonly seqLen: number;
  /** [B, T] input ids. */
  readonly tokens: Int32Array;
  /** [B, T]: the id that follows each input. */
  readonly targets: Int32Array;
  /** [B, T]: which document of its row a token belongs to, from 0 up; attention stays within one. */
  readonly documents: Int32Array;
}

/** A batch of evaluation windows: row b counts its first `lengths[b]` positions, the rest is padding. */
export interface EvaluationBatch extends Batch {
  /** [B]: positions of a row that are scored; 0 for a row of padding alone. */
  readonly lengths: Int32Array;
}

/** Throws unless both are positive integers. */
export function checkBatchShape(where: string, batchSize: number, seqLen: number): void {
  for (const [name, value] of Object.entries({ batchSize, seqLen })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`${where}: ${name} must be a positive integer, got ${value}`);
    }
  }
}
