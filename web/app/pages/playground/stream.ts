/** A text as it comes. */
import { isRouted } from "../../../../src/model/layerKind.ts";
import type { GeneratedToken, GenerateOptions, OpenModel } from "../../engine.ts";

/**
 * A text that is there for its speed alone: of the same weights with nothing passed around, or of a dense model of the same shape
 * with random weights.
 */
export type Twin = "through" | "random";

export interface StreamedText {
  readonly title: string;
  /** What it goes on from. */
  readonly prompt: string;
  /** Kind of each layer. */
  readonly layers: readonly string[];
  readonly twin: Twin | null;
  readonly tokens: readonly GeneratedToken[];
  readonly state: "waiting" | "coming" | "done";
}

export const emptyText = (
  wish: Pick<StreamedText, "title" | "prompt" | "twin">,
  { summary }: OpenModel,
): StreamedText => ({
  ...wish,
  layers: wish.twin === "random" ? summary.layers.map(() => "dense") : summary.layers,
  ...{ tokens: [], state: "waiting" },
});

/** Texts that will not be begun any more have come to their end. */
export const ended = (texts: readonly StreamedText[]): StreamedText[] =>
  texts.map((text) => (text.state === "waiting" ? { ...text, state: "done" } : text));

/** How often the page is drawn while tokens come: hundreds a second need not each be a drawing. */
const DRAW_MS = 60;

export async function streamText(
  model: OpenModel,
  options: GenerateOptions,
  start: StreamedText,
  put: (text: StreamedText) => void,
): Promise<void> {
  const tokens: GeneratedToken[] = [];
  let drawn = 0;
  try {
    for await (const token of model.generate(start.prompt, options)) {
      tokens.push(token);
      if (performance.now() - drawn < DRAW_MS) continue;
      drawn = performance.now();
      put({ ...start, tokens: [...tokens], state: "coming" });
    }
  } finally {
    put({ ...start, tokens, state: "done" });
  }
}

/** Tokens a second after the first, whose time holds the prompt's; null before the second. */
export function tokensPerSecond(tokens: readonly GeneratedToken[]): number | null {
  if (tokens.length < 2) return null;
  const ms = tokens.at(-1)!.atMs - tokens[0]!.atMs;
  return ms > 0 ? (1000 * (tokens.length - 1)) / ms : null;
}

/** Blocks that computed the token that each token was foretold from: those that compute all, and those that it was routed through. */
export const blocksOf = ({ layers }: StreamedText, { routedLayers }: GeneratedToken): number =>
  layers.filter((kind) => !isRouted(kind)).length + routedLayers.length;

/** Share of the routed blocks' work that was done; null for a dense model. */
export function shareThrough({ layers, tokens }: StreamedText): number | null {
  const routed = layers.filter(isRouted).length;
  if (routed === 0 || tokens.length === 0) return null;
  return tokens.reduce((sum, { routedLayers }) => sum + routedLayers.length, 0) / (routed * tokens.length);
}
