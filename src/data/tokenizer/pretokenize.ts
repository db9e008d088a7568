/**
 * GPT-2's pre-tokenisation (Radford et al. 2019): where a text may be cut before byte pairs are merged. It is the
 * leftmost match of
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * by a scanner over character classes, several times faster than the expression. `\s` is Unicode's White_Space, as in
 * the reference implementations in Python and Rust; JavaScript's own `\s` differs from it in U+0085 and U+FEFF.
 */

const OTHER = 0;
const LETTER = 1;
const NUMBER = 2;
const SPACE = 3;

/** Classes are computed a page of 256 code points at a time, when a text first needs one. */
const pages: (Uint8Array | undefined)[] = [];

function classPage(page: number): Uint8Array {
  const classes = new Uint8Array(256);
  for (let i = 0; i < 256; i++) {
    const character = String.fromCodePoint(page * 256 + i);
    if (/\p{L}/u.test(character)) classes[i] = LETTER;
    else if (/\p{N}/u.test(character)) classes[i] = NUMBER;
    else if (/\p{White_Space}/u.test(character)) classes[i] = SPACE;
    else classes[i] = OTHER;
  }
  pages[page] = classes;
  return classes;
}

const ascii = classPage(0);

/** Class of the code point at `i`; a lone surrogate is `OTHER`. */
function classAt(text: string, i: number): number {
  const unit = text.charCodeAt(i);
  if (unit < 256) return ascii[unit]!;
  const code = unit >= 0xd800 && unit < 0xdc00 ? text.codePointAt(i)! : unit;
  return (pages[code >> 8] ?? classPage(code >> 8))[code & 255]!;
}

/** Units of UTF-16 that the code point at `i` takes. */
function widthAt(text: string, i: number): number {
  const unit = text.charCodeAt(i);
  return unit >= 0xd800 && unit < 0xdc00 && text.codePointAt(i)! > 0xffff ? 2 : 1;
}

function runEnd(text: string, start: number, wanted: number): number {
  let i = start;
  while (i < text.length && classAt(text, i) === wanted) i += widthAt(text, i);
  return i;
}

/** Length of 's 't 'm 'd 're 've 'll at an apostrophe, 0 for none. */
function contractionLength(text: string, i: number): number {
  const next = text[i + 1];
  if (next === "s" || next === "t" || next === "m" || next === "d") return 2;
  const pair = text.slice(i + 1, i + 3);
  return pair === "re" || pair === "ve" || pair === "ll" ? 3 : 0;
}

/** End of the piece that starts at `start` < `text.length`; pieces follow one another without gaps. */
export function pieceEnd(text: string, start: number): number {
  const unit = text.charCodeAt(start);
  if (unit === 0x27) {
    const length = contractionLength(text, start);
    if (length > 0) return start + length;
  }
  const own = classAt(text, start);
  if (own !== SPACE) return runEnd(text, start, own);
  if (unit === 0x20 && start + 1 < text.length) {
    const next = classAt(text, start + 1);
    if (next !== SPACE) return runEnd(text, start + 1, next);
  }
  const end = runEnd(text, start, SPACE);
  // White space before a word leaves its last character to the word, unless it is the only one.
  return end < text.length && end - start > 1 ? end - 1 : end;
}

/**
 * A piece to keep. Engines may hold a slice as a view of the text it was cut from (V8 does from 13 units on), which
 * would keep every text alive; joining its characters makes a copy.
 */
export function keepable(piece: string): string {
  return piece.length < 13 ? piece : [...piece].join("");
}

/** The pieces of a text, whose concatenation is the text. */
export function pieces(text: string): string[] {
  const list: string[] = [];
  for (let i = 0; i < text.length; ) {
    const end = pieceEnd(text, i);
    list.push(text.slice(i, end));
    i = end;
  }
  return list;
}
