/** Writes the Hugging Face `tokenizer.json` of a byte-level BPE; `loadTokenizer.ts` reads it. */
import { bytesToAlphabet } from "./byteAlphabet.ts";
import type { Merge } from "./mergePiece.ts";

/** A byte-level BPE vocabulary. */
export interface BpeVocabulary {
  /** The bytes of each token, by id; empty for special tokens. */
  readonly tokens: readonly Uint8Array[];
  /** By rank, the first merge first. */
  readonly merges: readonly Merge[];
  /** Name to id. */
  readonly specialTokens: ReadonlyMap<string, number>;
}

/** The parts of `tokenizer.json` that say "GPT-2's byte level, nothing added". */
const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true } as const;

/** The `tokenizer.json` object; merges are written "left right", which every version of the format reads. */
export function tokenizerJson(vocabulary: BpeVocabulary): object {
  const special = new Map([...vocabulary.specialTokens].map(([name, id]) => [id, name]));
  const names = vocabulary.tokens.map((bytes, id) => special.get(id) ?? bytesToAlphabet(bytes));
  const specialById = [...special].sort(([a], [b]) => a - b);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specialById.map(([id, content]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: BYTE_LEVEL,
    post_processor: null,
    decoder: BYTE_LEVEL,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(names.flatMap((name, id) => (name === "" ? [] : [[name, id]]))),
      merges: vocabulary.merges.map((m) => `${names[m.left]} ${names[m.right]}`),
    },
  };
}
