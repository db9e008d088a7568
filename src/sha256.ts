import { sha256 as digest } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** SHA-256 of bytes, or of a text's UTF-8, in lower-case hexadecimal. Anywhere, and at once: browsers' own answers later. */
export const sha256 = (content: Uint8Array | string): string =>
  bytesToHex(digest(typeof content === "string" ? utf8ToBytes(content) : content));
