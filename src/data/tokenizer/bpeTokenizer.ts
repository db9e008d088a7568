import { type Merge, MergeRules } from "./mergePiece.ts";
import { keepable, pieceEnd } from "./pretokenize.ts";
import { checkTokenId, type DecodeOptions, END_OF_TEXT, joinTokenBytes, type Tokenizer } from "./tokenizer.ts";
import { type BpeVocabulary, tokenizerJson } from "./tokenizerJson.ts";
import { utf8Bytes, utf8Text, validUtf8End } from "./utf8.ts";

/** Longest piece, in UTF-16 units, that is worth remembering. */
const CACHED_PIECE_LENGTH = 48;
/** Pieces remembered before the memory starts afresh: natural text has fewer in use. */
const CACHE_SIZE = 65_536;
const NO_BYTES = new Uint8Array(0);

/** Ids in a buffer that doubles. */
class IdBuffer {
  #ids: Uint32Array;
  #length = 0;

  constructor(capacity: number) {
    this.#ids = new Uint32Array(capacity);
  }

  append(ids: ArrayLike<number>, count: number): void {
    if (this.#length + count > this.#ids.length) {
      const larger = new Uint32Array(Math.max(this.#ids.length * 2, this.#length + count));
      larger.set(this.#ids);
      this.#ids = larger;
    }
    for (let i = 0; i < count; i++) this.#ids[this.#length + i] = ids[i]!;
    this.#length += count;
  }

  take(): Uint32Array {
    return this.#ids.slice(0, this.#length);
  }
}

/** Id of the token that starts a document: `<|endoftext|>`, or the only special token there is. */
function findEndOfText(specialTokens: ReadonlyMap<string, number>): number {
  const named = specialTokens.get(END_OF_TEXT);
  if (named !== undefined) return named;
  const [only, ...others] = specialTokens.values();
  if (only !== undefined && others.length === 0) return only;
  const names = [...specialTokens.keys()].join(", ") || "none";
  throw new Error(
    `BpeTokenizer: needs the special token ${END_OF_TEXT} or exactly one other, got ${names}; add ${END_OF_TEXT}`,
  );
}

/** Byte-level BPE with GPT-2's pre-tokenisation. */
export class BpeTokenizer implements Tokenizer {
  readonly kind = "bpe";
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly #vocabulary: BpeVocabulary;
  readonly #rules: MergeRules;
  readonly #idOfByte = new Int32Array(256).fill(-1);
  readonly #specialNames: ReadonlyMap<number, Uint8Array>;
  readonly #cache = new Map<string, Int32Array>();
  #scratch = new Int32Array(256);

  constructor(vocabulary: BpeVocabulary) {
    this.#vocabulary = vocabulary;
    this.vocabSize = vocabulary.tokens.length;
    this.endOfText = findEndOfText(vocabulary.specialTokens);
    this.#rules = new MergeRules(vocabulary.merges);
    this.#specialNames = new Map([...vocabulary.specialTokens].map(([name, id]) => [id, utf8Bytes(name)]));
    vocabulary.tokens.forEach((bytes, id) => {
      if (bytes.length === 1) this.#idOfByte[bytes[0]!] = id;
    });
    const missing = this.#idOfByte.indexOf(-1);
    if (missing !== -1) {
      throw new Error(
        `BpeTokenizer: the vocabulary must hold all 256 bytes, got none for byte ${missing}; it is not byte-level`,
      );
    }
  }

  get merges(): readonly Merge[] {
    return this.#vocabulary.merges;
  }

  get specialTokens(): ReadonlyMap<string, number> {
    return this.#vocabulary.specialTokens;
  }

  encode(text: string): Uint32Array {
    const out = new IdBuffer(Math.ceil(text.length / 3) + 16);
    this.#encodeInto(out, text);
    return out.take();
  }

  encodeBytes(bytes: Uint8Array): Uint32Array {
    const out = new IdBuffer(Math.ceil(bytes.length / 3) + 16);
    for (let i = 0; i < bytes.length; ) {
      const end = validUtf8End(bytes, i);
      if (end > i) this.#encodeInto(out, utf8Text(bytes.subarray(i, end)));
      // A byte that no text contains stands alone: merging it with neighbours would depend on how it is cut.
      if (end < bytes.length) out.append([this.#idOfByte[bytes[end]!]!], 1);
      i = end + 1;
    }
    return out.take();
  }

  #encodeInto(out: IdBuffer, text: string): void {
    for (let i = 0; i < text.length; ) {
      const end = pieceEnd(text, i);
      const piece = text.slice(i, end);
      i = end;
      const known = this.#cache.get(piece);
      if (known !== undefined) {
        out.append(known, known.length);
        continue;
      }
      const count = this.#encodePiece(piece);
      out.append(this.#scratch, count);
      if (piece.length <= CACHED_PIECE_LENGTH) this.#remember(piece, this.#scratch.slice(0, count));
    }
  }

  #remember(piece: string, ids: Int32Array): void {
    if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
    this.#cache.set(keepable(piece), ids);
  }

  /** Leaves the ids of a piece at the start of the scratch array; returns their number. */
  #encodePiece(piece: string): number {
    const bytes = utf8Bytes(piece);
    if (bytes.length > this.#scratch.length) this.#scratch = new Int32Array(bytes.length * 2);
    for (let i = 0; i < bytes.length; i++) this.#scratch[i] = this.#idOfByte[bytes[i]!]!;
    return this.#rules.apply(this.#scratch, bytes.length);
  }

  decodeBytes(ids: ArrayLike<number>, options: DecodeOptions = {}): Uint8Array {
    if (options.specialTokens !== true) return joinTokenBytes(ids, (id) => this.tokenBytes(id));
    return joinTokenBytes(ids, (id) => this.#specialNames.get(id) ?? this.tokenBytes(id));
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return utf8Text(this.decodeBytes(ids, options));
  }

  tokenBytes(id: number): Uint8Array {
    checkTokenId(id, this.vocabSize);
    return this.#vocabulary.tokens[id] ?? NO_BYTES;
  }

  toJson(): object {
    return tokenizerJson(this.#vocabulary);
  }
}
