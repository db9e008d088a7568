import { ConfigError, DivergedError } from "../../src/browser.ts";
import type { EngineFailure } from "./protocol.ts";

/** An error that says itself what kind of failure it is. */
export class EngineError extends Error {
  override name = "EngineError";
  readonly code: EngineFailure["code"];

  constructor(code: EngineFailure["code"], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** What the beginnings of the library's errors say of their kind. */
const KINDS: readonly (readonly [RegExp, EngineFailure["code"]])[] = [
  [/WebGPU must/, "webgpu"],
  [/too little memory|out of memory|Array buffer allocation failed|allocate|must fit into 4 GiB/i, "memory"],
  [
    /^(openRun|readCheckpoint|latestCheckpoint|bestCheckpoint|decodeSafetensors|tokenizerFromJson|openSavedModel)\b/,
    "file",
  ],
  [/^train: .* must go on with the data\b/, "text"],
  [/^(readMetrics|thresholds|split|TrainBatches)\b/, "file"],
  [/^(generate|sampler|rule|trainBpe)\b/, "config"],
];

/** An error as the page is told of it. */
export function failureOf(error: unknown): EngineFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof EngineError) return { code: error.code, message };
  if (error instanceof ConfigError) return { code: "config", message, problems: error.problems };
  if (error instanceof DivergedError) return { code: "diverged", message };
  return { code: KINDS.find(([pattern]) => pattern.test(message))?.[1] ?? "internal", message };
}
