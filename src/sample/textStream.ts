/**
 * Turns tokens into text as they come.
 *
 * A character of several tokens comes with the last of them. Text that may be the beginning of a stop string is held
 * back until it is known not to be. The stop string that is complete first ends the text, and of several complete at
 * the same character the one that begins first: how the text is cut into tokens makes no difference.
 */
export class TextStream {
  readonly #tokenBytes: (id: number) => Uint8Array;
  readonly #stop: readonly string[];
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #held = "";
  #stopped = false;

  /**
   * @param tokenBytes the bytes of a token
   * @param stop strings that end the text
   * @throws RangeError for an empty stop string
   */
  constructor(tokenBytes: (id: number) => Uint8Array, stop: readonly string[] = []) {
    const empty = stop.indexOf("");
    if (empty >= 0) {
      throw new RangeError(
        `TextStream: a stop string must have at least one character, got "" at ${empty}; leave it out`,
      );
    }
    this.#tokenBytes = tokenBytes;
    this.#stop = stop;
  }

  /** Text that is now certain, given one more token; and whether a stop string was met, after which no text comes. */
  push(id: number): { readonly text: string; readonly stopped: boolean } {
    if (this.#stopped) return { text: "", stopped: true };
    const text = this.#advance(this.#decoder.decode(this.#tokenBytes(id), { stream: true }));
    return { text, stopped: this.#stopped };
  }

  /** What is still held back when the generation ends without a stop string; a character cut short becomes U+FFFD. */
  end(): string {
    if (this.#stopped) return "";
    const text = this.#advance(this.#decoder.decode());
    const held = this.#held;
    this.#held = "";
    return text + held;
  }

  /** The text that more decoded text makes certain. */
  #advance(decoded: string): string {
    const text = this.#held + decoded;
    const stopAt = firstMatch(text, this.#stop);
    this.#stopped = stopAt !== undefined;
    const certain = stopAt ?? text.length - heldLength(text, this.#stop);
    this.#held = this.#stopped ? "" : text.slice(certain);
    return text.slice(0, certain);
  }
}

/** Where the stop string begins that ends first; of those that end together, the one that begins first. */
function firstMatch(text: string, stop: readonly string[]): number | undefined {
  const matches = stop
    .map((string) => ({ start: text.indexOf(string), length: string.length }))
    .filter(({ start }) => start >= 0);
  matches.sort((a, b) => a.start + a.length - (b.start + b.length) || a.start - b.start);
  return matches[0]?.start;
}

/** The length of the longest end of the text, which has no stop string in it, that is the beginning of one. */
function heldLength(text: string, stop: readonly string[]): number {
  const longest = stop.reduce((length, string) => Math.max(length, string.length - 1), 0);
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (stop.some((string) => string.startsWith(end))) return length;
  }
  return 0;
}
