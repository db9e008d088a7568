/** Reads the `tokenizer.json` of a byte-level BPE of GPT-2's type, and refuses what this project would misread. */
import { BpeTokenizer } from "./bpeTokenizer.ts";
import { alphabetToBytes } from "./byteAlphabet.ts";
import { ByteTokenizer } from "./byteTokenizer.ts";
import type { Merge } from "./mergePiece.ts";
import { END_OF_TEXT, type Tokenizer } from "./tokenizer.ts";
import type { BpeVocabulary } from "./tokenizerJson.ts";

type Json = Record<string, unknown>;

/** Largest vocabulary read; guards against an id that would ask for gigabytes. */
const MAX_VOCABULARY = 2 ** 20;
const PROBLEMS_SHOWN = 8;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const show = (value: unknown) => JSON.stringify(value)?.slice(0, 100) ?? "nothing";
/** `null`, absent, "", false and 0 all say "not used" in the format. */
const isUsed = (value: unknown) =>
  value !== undefined && value !== null && value !== "" && value !== false && value !== 0;

function checkPreTokenizer(json: Json, problems: string[]): void {
  let step = json.pre_tokenizer;
  if (
    isObject(step) &&
    step.type === "Sequence" &&
    Array.isArray(step.pretokenizers) &&
    step.pretokenizers.length === 1
  ) {
    step = step.pretokenizers[0];
  }
  if (!isObject(step) || step.type !== "ByteLevel") {
    problems.push(`pre_tokenizer must be ByteLevel alone, got ${show(step)}`);
    return;
  }
  // The format's default for a missing add_prefix_space is true.
  if (step.add_prefix_space !== false) problems.push("pre_tokenizer.add_prefix_space must be false");
  if (step.use_regex === false) problems.push("pre_tokenizer.use_regex must be true");
}

function checkModelOptions(model: Json, problems: string[]): void {
  if (model.type !== undefined && model.type !== "BPE")
    problems.push(`model.type must be "BPE", got ${show(model.type)}`);
  const unsupported = ["dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"];
  for (const name of unsupported) {
    if (isUsed(model[name])) problems.push(`model.${name} is not supported, got ${show(model[name])}`);
  }
}

function readSpecialTokens(json: Json, problems: string[]): Map<string, number> {
  const specialTokens = new Map<string, number>();
  for (const token of Array.isArray(json.added_tokens) ? json.added_tokens : []) {
    if (!isObject(token) || typeof token.content !== "string" || !Number.isInteger(token.id)) {
      problems.push(`added_tokens need a content and an integer id, got ${show(token)}`);
    } else if (token.special !== true) {
      problems.push(`added_tokens must be special, got ${show(token.content)}, which would be found in text`);
    } else specialTokens.set(token.content, token.id as number);
  }
  return specialTokens;
}

/** Id by token name, special tokens included. */
function readIds(model: Json, specialTokens: ReadonlyMap<string, number>, problems: string[]): Map<string, number> {
  const ids = new Map<string, number>(specialTokens);
  if (!isObject(model.vocab)) problems.push(`model.vocab must map tokens to ids, got ${show(model.vocab)}`);
  for (const [name, id] of Object.entries(isObject(model.vocab) ? model.vocab : {})) {
    if (typeof id !== "number") problems.push(`model.vocab[${show(name)}] must be an integer, got ${show(id)}`);
    else if (specialTokens.has(name) && specialTokens.get(name) !== id) {
      problems.push(`${show(name)} has id ${id} in model.vocab and ${specialTokens.get(name)} in added_tokens`);
    } else ids.set(name, id);
  }
  return ids;
}

function readTokens(ids: ReadonlyMap<string, number>, specialTokens: ReadonlyMap<string, number>, problems: string[]) {
  const tokens: Uint8Array[] = [];
  const seen = new Set<number>();
  for (const [name, id] of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= MAX_VOCABULARY || seen.has(id)) {
      problems.push(`ids must be distinct integers in [0, ${MAX_VOCABULARY}), got ${id} for ${show(name)}`);
      continue;
    }
    seen.add(id);
    const bytes = specialTokens.has(name) ? new Uint8Array(0) : alphabetToBytes(name);
    if (bytes === undefined) problems.push(`token ${show(name)} is not written in the byte-level alphabet`);
    tokens[id] = bytes ?? new Uint8Array(0);
  }
  // Ids that no token has are legal padding of the vocabulary.
  return Array.from(tokens, (bytes) => bytes ?? new Uint8Array(0));
}

function readMerges(model: Json, ids: ReadonlyMap<string, number>, problems: string[]): Merge[] {
  if (!Array.isArray(model.merges)) problems.push(`model.merges must be a list, got ${show(model.merges)}`);
  const merges: Merge[] = [];
  for (const entry of Array.isArray(model.merges) ? model.merges : []) {
    const pair: unknown[] = typeof entry === "string" ? entry.split(" ") : Array.isArray(entry) ? entry : [];
    const [left, right] = pair;
    const known = pair.length === 2 && typeof left === "string" && typeof right === "string";
    const found = known ? [ids.get(left), ids.get(right), ids.get(left + right)] : [];
    if (found.length === 0 || found.includes(undefined)) {
      problems.push(`merge ${show(entry)} must name two tokens of the vocabulary whose union is in it too`);
    } else merges.push({ left: found[0]!, right: found[1]!, result: found[2]! });
  }
  return merges;
}

function isByteVocabulary({ tokens, merges, specialTokens }: BpeVocabulary): boolean {
  if (tokens.length !== 257 || merges.length > 0 || specialTokens.get(END_OF_TEXT) !== 256) return false;
  return tokens.slice(0, 256).every((bytes, id) => bytes.length === 1 && bytes[0] === id);
}

/**
 * The tokenizer that a parsed `tokenizer.json` describes: bytes, or any byte-level BPE with GPT-2's pre-tokenisation,
 * with merges as strings or as pairs. Post-processors are left aside, since no special tokens are added around text.
 * Throws with every reason why a file is refused.
 */
export function tokenizerFromJson(json: unknown): Tokenizer {
  const problems: string[] = [];
  const file: Json = isObject(json) ? json : {};
  const model = isObject(file.model) ? file.model : {};
  if (!isObject(file.model)) problems.push(`it must be an object with a model, got ${show(json)}`);
  if (isUsed(file.normalizer)) problems.push(`normalizer must be null, got ${show(file.normalizer)}`);
  checkPreTokenizer(file, problems);
  checkModelOptions(model, problems);
  const specialTokens = readSpecialTokens(file, problems);
  const ids = readIds(model, specialTokens, problems);
  const tokens = readTokens(ids, specialTokens, problems);
  const merges = readMerges(model, ids, problems);
  if (problems.length > 0) {
    const hidden = problems.length > PROBLEMS_SHOWN ? [`and ${problems.length - PROBLEMS_SHOWN} more`] : [];
    const list = [...problems.slice(0, PROBLEMS_SHOWN), ...hidden].map((p) => `\n  - ${p}`).join("");
    throw new Error(
      `tokenizerFromJson: needs a byte-level BPE of GPT-2's type:${list}\nTrain a tokenizer of that type, or use "bytes".`,
    );
  }
  const vocabulary = { tokens, merges, specialTokens };
  return isByteVocabulary(vocabulary) ? new ByteTokenizer() : new BpeTokenizer(vocabulary);
}
