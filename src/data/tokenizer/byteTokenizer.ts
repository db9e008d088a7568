import { checkTokenId, type DecodeOptions, END_OF_TEXT, joinTokenBytes, type Tokenizer } from "./tokenizer.ts";
import { tokenizerJson } from "./tokenizerJson.ts";
import { utf8Bytes, utf8Text } from "./utf8.ts";

const NO_BYTES = new Uint8Array(0);
const endOfTextBytes = utf8Bytes(END_OF_TEXT);
const singleBytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));

/** One token a byte: the id is the byte, and 256 is `<|endoftext|>`. */
export class ByteTokenizer implements Tokenizer {
  readonly kind = "bytes";
  readonly vocabSize = 257;
  readonly endOfText = 256;

  encode(text: string): Uint32Array {
    return Uint32Array.from(utf8Bytes(text));
  }

  encodeBytes(bytes: Uint8Array): Uint32Array {
    return Uint32Array.from(bytes);
  }

  decodeBytes(ids: ArrayLike<number>, options: DecodeOptions = {}): Uint8Array {
    const special = options.specialTokens === true;
    return joinTokenBytes(ids, (id) => (special && id === this.endOfText ? endOfTextBytes : this.tokenBytes(id)));
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return utf8Text(this.decodeBytes(ids, options));
  }

  tokenBytes(id: number): Uint8Array {
    checkTokenId(id, this.vocabSize);
    return singleBytes[id] ?? NO_BYTES;
  }

  toJson(): object {
    return tokenizerJson({
      tokens: [...singleBytes, NO_BYTES],
      merges: [],
      specialTokens: new Map([[END_OF_TEXT, 256]]),
    });
  }
}
