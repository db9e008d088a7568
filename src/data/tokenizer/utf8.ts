/** UTF-8 that keeps every byte: where a byte string stops being valid, and text without byte-order-mark surprises. */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** UTF-8 bytes of a text; a lone surrogate becomes U+FFFD. */
export function utf8Bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of UTF-8 bytes. Invalid bytes become U+FFFD; a leading byte order mark is kept as U+FEFF. */
export function utf8Text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Length of the sequence that a lead byte opens, or 0 where no valid sequence starts with it (RFC 3629). */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/** Whether the byte after `lead` may follow it: rules out overlong forms, surrogates and values beyond U+10FFFF. */
function secondByteFits(lead: number, second: number): boolean {
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

/** End of the longest valid UTF-8 stretch that starts at `start`; `start` itself where its first byte is invalid. */
export function validUtf8End(bytes: Uint8Array, start: number): number {
  let i = start;
  while (i < bytes.length) {
    const lead = bytes[i]!;
    if (lead < 0x80) {
      i++;
      continue;
    }
    const length = sequenceLength(lead);
    if (length === 0 || i + length > bytes.length || !secondByteFits(lead, bytes[i + 1]!)) return i;
    for (let k = 2; k < length; k++) if ((bytes[i + k]! & 0xc0) !== 0x80) return i;
    i += length;
  }
  return i;
}
