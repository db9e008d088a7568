import { sha256 } from "../sha256.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/** The same value with the keys of every object in code-unit order. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, canonical(inner)]));
}

/** SHA-256, in hexadecimal, of the tokenizer's `tokenizer.json` with sorted keys and no white space. */
export const tokenizerHash = (tokenizer: Tokenizer): string => sha256(JSON.stringify(canonical(tokenizer.toJson())));
