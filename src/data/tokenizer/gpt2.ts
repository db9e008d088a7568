/** GPT-2's own vocabulary, from the optional package `gpt-tokenizer`. */
import { BpeTokenizer } from "./bpeTokenizer.ts";
import type { Merge } from "./mergePiece.ts";
import { END_OF_TEXT } from "./tokenizer.ts";
import { utf8Bytes } from "./utf8.ts";

/** Bytes as a string of their values, to look them up by. */
const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/**
 * The two tokens that a token was merged from. The vocabulary lists tokens by rank but not their halves; merging the
 * token's bytes with the tokens of lower rank, lowest first, leaves exactly these two.
 */
function halves(token: string, rank: number, rankOf: ReadonlyMap<string, number>): [number, number] {
  let parts = [...token];
  while (parts.length > 2) {
    let best = rank;
    let at = -1;
    for (let i = 0; i + 1 < parts.length; i++) {
      const found = rankOf.get(parts[i]! + parts[i + 1]!) ?? rank;
      if (found < best) [best, at] = [found, i];
    }
    if (at === -1) break;
    parts = [...parts.slice(0, at), parts[at]! + parts[at + 1]!, ...parts.slice(at + 2)];
  }
  const [left, right] = parts.map((part) => rankOf.get(part));
  if (parts.length !== 2 || left === undefined || right === undefined) {
    throw new Error(`gpt2Tokenizer: token ${rank} has no merge; the installed gpt-tokenizer holds another vocabulary`);
  }
  return [left, right];
}

/** A tokenizer from tokens listed by rank, a token being its id's bytes; `<|endoftext|>` takes the next id. */
export function tokenizerFromRanks(tokens: readonly Uint8Array[]): BpeTokenizer {
  const names = tokens.map(latin1);
  const rankOf = new Map(names.map((name, rank) => [name, rank]));
  const merges: Merge[] = [];
  names.forEach((name, rank) => {
    if (name.length < 2) return;
    const [left, right] = halves(name, rank, rankOf);
    merges.push({ left, right, result: rank });
  });
  const specialTokens = new Map([[END_OF_TEXT, tokens.length]]);
  return new BpeTokenizer({ tokens: [...tokens, new Uint8Array(0)], merges, specialTokens });
}

/** GPT-2's tokenizer: 50,257 tokens, `<|endoftext|>` is 50256. Throws where `gpt-tokenizer` is not installed. */
export async function gpt2Tokenizer(): Promise<BpeTokenizer> {
  let ranks: readonly (string | readonly number[])[];
  try {
    ranks = (await import("gpt-tokenizer/bpeRanks/r50k_base")).default;
  } catch (cause) {
    throw new Error("gpt2Tokenizer: needs the package gpt-tokenizer, which did not load; npm install gpt-tokenizer", {
      cause,
    });
  }
  return tokenizerFromRanks(
    ranks.map((token) => (typeof token === "string" ? utf8Bytes(token) : Uint8Array.from(token))),
  );
}
