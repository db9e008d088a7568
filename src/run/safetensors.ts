/**
 * The safetensors format, float32 only: 8 bytes of header length (little-endian), a JSON header, then the arrays' bytes
 * one after another. Pure: bytes in, arrays out; files are the business of `safetensorsFile.ts`.
 *
 * Format: https://github.com/huggingface/safetensors#format
 */
import type { NamedArray, NamedArrays } from "../notation.ts";
import { describeValue, excerpt, isPlainObject } from "./json.ts";

/** Free text that travels in the header. */
export type SafetensorsMetadata = Readonly<Record<string, string>>;

export interface Safetensors {
  readonly arrays: NamedArrays;
  readonly metadata: SafetensorsMetadata;
}

/** Where one array lies; `begin` and `end` are bytes from the start of the data section. */
export interface ArrayEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the data, which is the order the arrays were written in. */
  readonly entries: readonly ArrayEntry[];
  readonly metadata: SafetensorsMetadata;
}

export const LENGTH_BYTES = 8;
const BYTES_PER_FLOAT = 4;
const METADATA_KEY = "__metadata__";
/** The limit of the reference implementation; a larger length is a sign of damage, not of a large model. */
const MAX_HEADER_BYTES = 100_000_000;
const RESTORE = "the file is damaged or not safetensors; restore it from a copy";

/** All arrays as one safetensors file in memory. */
export function encodeSafetensors(arrays: NamedArrays, metadata: SafetensorsMetadata = {}): Uint8Array {
  const head = encodeHeader(arrays, metadata);
  let size = head.byteLength;
  for (const array of arrays.values()) size += array.data.byteLength;
  const bytes = new Uint8Array(size);
  bytes.set(head);
  let offset = head.byteLength;
  for (const { data } of arrays.values()) {
    bytes.set(floatBytes(data), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/** The arrays of a safetensors file in memory, as copies, in the order of the file. */
export function decodeSafetensors(bytes: Uint8Array, subject = "safetensors"): Safetensors {
  const headerBytes = headerLength(bytes, bytes.byteLength, subject);
  const dataStart = LENGTH_BYTES + headerBytes;
  const { entries, metadata } = parseHeader(
    bytes.subarray(LENGTH_BYTES, dataStart),
    bytes.byteLength - dataStart,
    subject,
  );
  const arrays = new Map<string, NamedArray>();
  for (const { name, shape, begin, end } of entries) {
    const data = new Float32Array((end - begin) / BYTES_PER_FLOAT);
    floatBytes(data).set(bytes.subarray(dataStart + begin, dataStart + end));
    arrays.set(name, { shape, data });
  }
  return { arrays, metadata };
}

/** Length field and JSON header, padded with spaces so that the data starts at a multiple of 8 bytes. */
export function encodeHeader(arrays: NamedArrays, metadata: SafetensorsMetadata = {}): Uint8Array {
  // Written field by field: JSON.stringify of an object would move integer-like names to the front.
  const fields = Object.keys(metadata).length > 0 ? [`"${METADATA_KEY}":${JSON.stringify(metadata)}`] : [];
  let offset = 0;
  for (const [name, { shape, data }] of arrays) {
    checkArray(name, shape, data);
    const end = offset + data.byteLength;
    const field = { dtype: "F32", shape, data_offsets: [offset, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(field)}`);
    offset = end;
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  if (padded > MAX_HEADER_BYTES) {
    throw new Error(
      `encodeSafetensors: the header must be at most ${MAX_HEADER_BYTES} bytes, got ${padded}; shorten names or metadata`,
    );
  }
  const head = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, LENGTH_BYTES);
  return head;
}

/** Bytes of the JSON header, read from the first 8 bytes of a file of `fileBytes` bytes. */
export function headerLength(start: Uint8Array, fileBytes: number, subject: string): number {
  if (fileBytes < LENGTH_BYTES || start.byteLength < LENGTH_BYTES) {
    throw new Error(
      `decodeSafetensors: ${subject} must start with ${LENGTH_BYTES} bytes of length, got a file of ${fileBytes} bytes; ${RESTORE}`,
    );
  }
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  const limit = Math.min(MAX_HEADER_BYTES, fileBytes - LENGTH_BYTES);
  if (length > limit) {
    throw new Error(
      `decodeSafetensors: ${subject}: header length must be at most ${limit} in a file of ${fileBytes} bytes, got ${length}; ${RESTORE}`,
    );
  }
  return length;
}

/** Reads and checks every field of a JSON header that is followed by `dataBytes` bytes of data. */
export function parseHeader(json: Uint8Array, dataBytes: number, subject: string): SafetensorsHeader {
  const where = `decodeSafetensors: ${subject}`;
  const fields = parseHeaderJson(json, where);
  const metadata = checkMetadata(fields[METADATA_KEY], where);
  const entries = Object.entries(fields)
    .filter(([name]) => name !== METADATA_KEY)
    .map(([name, field]) => checkEntry(name, field, where))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== covered) {
      throw new Error(
        `${where}: "${name}": data must start where the array before it ends, at ${covered}, got ${begin}; ${RESTORE}`,
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    const kind = covered > dataBytes ? "truncated" : "longer than its header says";
    throw new Error(`${where}: data must be ${covered} bytes, got ${dataBytes} (${kind}); ${RESTORE}`);
  }
  return { entries, metadata };
}

/** The memory of an array as bytes, without a copy. The format is little-endian and so must the machine be. */
export function floatBytes(data: Float32Array): Uint8Array {
  if (!isLittleEndian())
    throw new Error("safetensors: the machine must be little-endian, got a big-endian one; use another");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function parseHeaderJson(json: Uint8Array, where: string): Record<string, unknown> {
  let text = "";
  let fields: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(json);
    fields = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${where}: header must be JSON in UTF-8, got ${excerpt(text)}; ${RESTORE}`, { cause });
  }
  if (isPlainObject(fields)) return fields;
  throw new Error(`${where}: header must be a JSON object, got ${describeValue(fields)}; ${RESTORE}`);
}

function checkMetadata(value: unknown, where: string): SafetensorsMetadata {
  if (value === undefined) return {};
  if (isPlainObject(value) && Object.values(value).every((text) => typeof text === "string")) {
    return value as SafetensorsMetadata;
  }
  throw new Error(`${where}: ${METADATA_KEY} must map text to text, got ${describeValue(value)}; ${RESTORE}`);
}

function checkEntry(name: string, field: unknown, where: string): ArrayEntry {
  const at = `${where}: "${name}"`;
  if (!isPlainObject(field)) throw new Error(`${at}: entry must be an object, got ${describeValue(field)}; ${RESTORE}`);
  const { dtype, shape, data_offsets: offsets } = field;
  if (dtype !== "F32") {
    throw new Error(`${at}: dtype must be "F32", got ${describeValue(dtype)}; convert the file to float32 first`);
  }
  if (!isCountList(shape)) {
    throw new Error(`${at}: shape must be a list of integers >= 0, got ${describeValue(shape)}; ${RESTORE}`);
  }
  if (!isCountList(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new Error(
      `${at}: data_offsets must be [begin, end] with 0 <= begin <= end, got ${describeValue(offsets)}; ${RESTORE}`,
    );
  }
  const [begin, end] = offsets as [number, number];
  const size = product(shape) * BYTES_PER_FLOAT;
  if (end - begin !== size) {
    throw new Error(`${at}: shape [${shape}] takes ${size} bytes, got data_offsets [${begin}, ${end}]; ${RESTORE}`);
  }
  return { name, shape, begin, end };
}

function checkArray(name: string, shape: readonly number[], data: Float32Array): void {
  if (name === METADATA_KEY) {
    throw new Error(
      `encodeSafetensors: an array must not be named ${METADATA_KEY}, which the format reserves; rename it`,
    );
  }
  if (!isCountList(shape) || product(shape) !== data.length) {
    throw new Error(
      `encodeSafetensors: "${name}": shape must hold as many values as the data, got shape [${shape}] and ${data.length} values; fix the shape`,
    );
  }
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1);
}

function isLittleEndian(): boolean {
  return new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
}
