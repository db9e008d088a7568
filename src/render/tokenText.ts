/** Token texts made visible and measured, for columns of a picture. */

export interface TextStyle {
  /** False keeps to ASCII, for terminals that can't do better. */
  readonly unicode: boolean;
  /** Longest text, in cells; what is longer ends in an ellipsis. */
  readonly maxWidth: number;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
/** Control characters, direction overrides and halves of surrogate pairs: nothing a terminal or XML should ever be sent. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/gu;
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** One token's text with spaces, line ends and control characters made visible, cut to `maxWidth` cells. */
export function visibleToken(text: string, { unicode, maxWidth }: TextStyle): string {
  if (text === "") return unicode ? "∅" : "<>";
  const [space, newline, tab] = unicode ? ["␣", "↵", "⇥"] : ["_", "\\n", "\\t"];
  const shown = text.replaceAll(" ", space!).replaceAll("\n", newline!).replaceAll("\t", tab!);
  const printable = escapeUnprintable(shown);
  return cut(unicode ? printable : printable.replace(/[^\x20-\x7e]/gu, "?"), maxWidth, unicode ? "…" : "~");
}

/** Replaces what must not reach a terminal or an XML file by its code, such as `\x1b`. */
export function escapeUnprintable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    const code = char.codePointAt(0)!.toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
}

/** Width of a text in terminal cells. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** Whether a text has characters of double width: the East Asian scripts and emoji, which few fonts hold. */
export function hasWideText(text: string): boolean {
  return WIDE.test(text);
}

function cut(text: string, maxWidth: number, ellipsis: string): string {
  if (displayWidth(text) <= maxWidth) return text;
  let kept = "";
  let width = 1;
  for (const { segment } of graphemes.segment(text)) {
    width += graphemeWidth(segment);
    if (width > maxWidth) break;
    kept += segment;
  }
  return kept + ellipsis;
}

function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}
