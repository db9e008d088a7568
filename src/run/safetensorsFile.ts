/** Safetensors on disk, array by array: neither side ever holds a second copy of a whole file. */
import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, openSync, readSync } from "node:fs";
import { writeAll } from "../files/atomic.ts";
import type { NamedArray, NamedArrays } from "../notation.ts";
import type { FileDigest } from "./checkpointFormat.ts";
import {
  encodeHeader,
  floatBytes,
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type Safetensors,
  type SafetensorsMetadata,
} from "./safetensors.ts";

/** Node reads, writes and hashes at most 2 GiB a call. */
const CHUNK_BYTES = 64 * 2 ** 20;

/** Writes a new safetensors file, flushed to the device. The caller puts it in place (see `atomic.ts`). */
export function writeSafetensorsFile(
  path: string,
  arrays: NamedArrays,
  metadata: SafetensorsMetadata = {},
): FileDigest {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = openSync(path, "wx");
  try {
    for (const part of [encodeHeader(arrays, metadata), ...[...arrays.values()].map(({ data }) => floatBytes(data))]) {
      for (const chunk of chunks(part)) {
        writeAll(file, chunk);
        hash.update(chunk);
      }
      bytes += part.byteLength;
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Reads a safetensors file and the digest of exactly the bytes that were read. */
export function readSafetensorsFile(path: string): Safetensors & { readonly digest: FileDigest } {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  try {
    const bytes = fstatSync(file).size;
    const start = readNext(file, new Uint8Array(Math.min(LENGTH_BYTES, bytes)), hash, path);
    const json = readNext(file, new Uint8Array(headerLength(start, bytes, path)), hash, path);
    const { entries, metadata } = parseHeader(json, bytes - LENGTH_BYTES - json.byteLength, path);
    const arrays = new Map<string, NamedArray>();
    for (const { name, shape, begin, end } of entries) {
      const data = new Float32Array((end - begin) / Float32Array.BYTES_PER_ELEMENT);
      readNext(file, floatBytes(data), hash, path);
      arrays.set(name, { shape, data });
    }
    return { arrays, metadata, digest: { bytes, sha256: hash.digest("hex") } };
  } finally {
    closeSync(file);
  }
}

function readNext(file: number, into: Uint8Array, hash: Hash, path: string): Uint8Array {
  for (const chunk of chunks(into)) {
    let offset = 0;
    while (offset < chunk.byteLength) {
      const got = readSync(file, chunk, offset, chunk.byteLength - offset, null);
      if (got === 0) throw new Error(`readSafetensorsFile: ${path} must not shrink while it is read; read it again`);
      offset += got;
    }
    hash.update(chunk);
  }
  return into;
}

function* chunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
