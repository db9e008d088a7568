/**
 * GPT-2's printable alphabet for bytes, in which `tokenizer.json` writes tokens (Radford et al. 2019).
 *
 * A byte that Latin-1 prints visibly stands for itself; the 68 others (controls, space, soft hyphen) take the
 * characters from U+0100 on, in order. So a space is "Ġ" and a line feed "Ċ".
 */

const VISIBLE: readonly (readonly [first: number, last: number])[] = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
];

const byteToCharacter: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = VISIBLE.some(([first, last]) => byte >= first && byte <= last);
    return String.fromCharCode(visible ? byte : next++);
  });
})();

const characterToByte: ReadonlyMap<string, number> = new Map(byteToCharacter.map((c, byte) => [c, byte]));

/** A token's bytes, written in the printable alphabet. */
export function bytesToAlphabet(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byteToCharacter[byte];
  return text;
}

/** The bytes that a token in the printable alphabet stands for, or `undefined` where a character is not of it. */
export function alphabetToBytes(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = characterToByte.get(token[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
