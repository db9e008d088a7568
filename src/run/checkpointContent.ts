/** What a checkpoint is, wherever it is kept: in a folder (`checkpoint.ts`) or in memory (`memoryRun.ts`). */
import type { NamedArrays } from "../notation.ts";
import type { JsonObject } from "./json.ts";

export interface CheckpointContent {
  /** Optimizer steps done. */
  readonly step: number;
  readonly weights: NamedArrays;
  readonly optimizer: NamedArrays;
  /** Everything else that resuming needs: data position, random states, hashes. Finite numbers only. */
  readonly state: JsonObject;
  /** Nats per token. A loss that is not finite is kept as "not measured", and is never the best. */
  readonly validationLoss?: number | undefined;
}

export interface Checkpoint extends CheckpointContent {
  readonly dir: string;
}

export interface Skipped {
  readonly dir: string;
  readonly reason: string;
}

export interface FoundCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Better candidates that could not be read, and why. */
  readonly skipped: readonly Skipped[];
}

export interface CheckpointSummary {
  readonly dir: string;
  readonly step: number;
  readonly validationLoss: number | null;
  /** Of weights and optimizer state together. */
  readonly bytes: number;
  /** Why it can't be used, as far as `checkpoint.json` and the file sizes tell; null if nothing is wrong. */
  readonly problem: string | null;
}

/** The loss as it is kept: null where it was not measured or is not finite. */
export const keptLoss = ({ validationLoss: loss }: Pick<CheckpointContent, "validationLoss">): number | null =>
  loss !== undefined && Number.isFinite(loss) ? loss : null;
