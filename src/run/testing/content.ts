import type { NamedArrays } from "../../notation.ts";
import type { CheckpointContent } from "../checkpointContent.ts";

/** A small checkpoint whose every value depends on its step. */
export function contentOf(step: number, validationLoss?: number): CheckpointContent {
  return {
    step,
    weights: arraysOf(step, ["embedding", "blocks.0.router"]),
    optimizer: arraysOf(step + 0.5, ["embedding.m", "blocks.0.router.m"]),
    state: { tokensSeen: step * 1000, random: { seed: [1, 2, step] } },
    validationLoss,
  };
}

function arraysOf(value: number, names: readonly string[]): NamedArrays {
  return new Map(
    names.map((name, i) => [name, { shape: [i + 1, 5], data: new Float32Array((i + 1) * 5).fill(value) }]),
  );
}
