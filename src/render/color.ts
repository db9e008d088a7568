/** Whether to colour, decided in one place. */

/** What it takes of a stream to decide: `process.stdout`, `process.stderr`, or any other. */
export interface ColorTarget {
  readonly isTTY?: boolean | undefined;
}

/**
 * Colour goes to terminals only, and not where NO_COLOR (https://no-color.org) holds any text or the terminal is "dumb".
 */
export function wantsColor(stream: ColorTarget, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}
