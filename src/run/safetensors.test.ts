import fc from "fast-check";
import { expect, test } from "vitest";
import type { NamedArrays } from "../notation.ts";
import { cases } from "../testing/cases.ts";
import { decodeSafetensors, encodeSafetensors, LENGTH_BYTES } from "./safetensors.ts";

const arrays: NamedArrays = new Map([
  ["blocks.1.router", { shape: [3], data: Float32Array.of(1, -0, 1e-45) }],
  ["10", { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  ["2", { shape: [], data: Float32Array.of(7) }],
  ["empty", { shape: [0, 4], data: new Float32Array(0) }],
  ['ünïcode "quoted"', { shape: [1], data: Float32Array.of(Number.NaN) }],
]);

test("values, shapes, order and metadata come back", () => {
  const decoded = decodeSafetensors(encodeSafetensors(arrays, { note: "héllo" }));
  expect([...decoded.arrays]).toEqual([...arrays]);
  expect(decoded.metadata).toEqual({ note: "héllo" });
});

test("any arrays come back bit by bit", () => {
  const bits = fc.uint32Array({ maxLength: 12 }).map((words) => new Float32Array(words.buffer.slice(0)));
  const named = fc.dictionary(fc.string({ minLength: 1 }), bits, { noNullPrototype: true });
  fc.assert(
    fc.property(named, (values) => {
      const given = new Map(Object.entries(values).map(([name, data]) => [name, { shape: [data.length], data }]));
      const { arrays: got } = decodeSafetensors(encodeSafetensors(given));
      expect([...got.keys()]).toEqual([...given.keys()]);
      for (const [name, { data }] of given) expect(words(got.get(name)!.data)).toEqual(words(data));
    }),
    cases(200),
  );
});

test("the layout is the one the format describes", () => {
  const bytes = encodeSafetensors(new Map([["w", { shape: [2], data: Float32Array.of(1, 2) }]]));
  const json = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
  const padded = Math.ceil(json.length / 8) * 8;
  expect(Number(new DataView(bytes.buffer).getBigUint64(0, true))).toBe(padded);
  expect(new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + padded))).toBe(json.padEnd(padded));
  expect([...bytes.subarray(LENGTH_BYTES + padded)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
});

/** Written by Python's safetensors 0.8.0: `safetensors.numpy.save({...}, {"format": "pt"})`. */
const FROM_PYTHON =
  "2AAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJhIHNjYWxhciI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbXSwiZGF0YV9vZmZzZXRzIjpbMCw0XX0sImJsb2Nrcy4wLnJvdXRlciI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzQsMTJdfSwidyI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwzXSwiZGF0YV9vZmZzZXRzIjpbMTIsMzZdfX0AAFBAAADAPwAAAMAAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=";

test("a file of the reference implementation is read, and encoded again is the same file", () => {
  const bytes = new Uint8Array(Buffer.from(FROM_PYTHON, "base64"));
  const { arrays: read, metadata } = decodeSafetensors(bytes);
  expect([...read]).toEqual([
    ["a scalar", { shape: [], data: Float32Array.of(3.25) }],
    ["blocks.0.router", { shape: [2], data: Float32Array.of(1.5, -2) }],
    ["w", { shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) }],
  ]);
  expect(metadata).toEqual({ format: "pt" });
  expect(encodeSafetensors(read, metadata)).toEqual(bytes);
});

test("decoded arrays don't share memory with the file", () => {
  const bytes = encodeSafetensors(arrays);
  const decoded = decodeSafetensors(bytes);
  bytes.fill(0xff);
  expect(decoded.arrays.get("10")!.data).toEqual(Float32Array.of(1, 2, 3, 4));
});

test("a view into a larger buffer is encoded without what surrounds it", () => {
  const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
  const decoded = decodeSafetensors(encodeSafetensors(new Map([["w", { shape: [2], data }]])));
  expect(decoded.arrays.get("w")!.data).toEqual(Float32Array.of(1, 2));
});

test("every truncation is refused", () => {
  const bytes = encodeSafetensors(arrays);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeSafetensors(bytes.subarray(0, length)), `${length} bytes`).toThrow(/^decodeSafetensors: /);
  }
});

test("bytes after the data are refused", () => {
  const bytes = encodeSafetensors(arrays);
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  expect(() => decodeSafetensors(longer, "weights.safetensors")).toThrow(
    "weights.safetensors: data must be 36 bytes, got 37 (longer than its header says)",
  );
});

const F32 = '"dtype":"F32"';
test.each([
  ["not json", "header must be JSON in UTF-8"],
  ["[]", "header must be a JSON object"],
  ['{"w":3}', '"w": entry must be an object, got 3'],
  ['{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', '"w": dtype must be "F32", got "BF16"'],
  [`{"w":{${F32},"shape":[-1],"data_offsets":[0,8]}}`, "shape must be a list of integers >= 0, got [-1]"],
  [`{"w":{${F32},"shape":2,"data_offsets":[0,8]}}`, "shape must be a list of integers >= 0, got 2"],
  [`{"w":{${F32},"shape":[2]}}`, "data_offsets must be [begin, end] with 0 <= begin <= end, got undefined"],
  [`{"w":{${F32},"shape":[2],"data_offsets":[8,0]}}`, "data_offsets must be [begin, end]"],
  [`{"w":{${F32},"shape":[2],"data_offsets":[0,8.5]}}`, "data_offsets must be [begin, end]"],
  [`{"w":{${F32},"shape":[3],"data_offsets":[0,8]}}`, "shape [3] takes 12 bytes, got data_offsets [0, 8]"],
  [`{"w":{${F32},"shape":[4],"data_offsets":[0,16]}}`, "data must be 16 bytes, got 8 (truncated)"],
  [`{"w":{${F32},"shape":[1],"data_offsets":[4,8]}}`, "data must start where the array before it ends, at 0, got 4"],
  [
    `{"a":{${F32},"shape":[2],"data_offsets":[0,8]},"b":{${F32},"shape":[1],"data_offsets":[4,8]}}`,
    '"b": data must start where the array before it ends, at 8, got 4',
  ],
  ['{"__metadata__":{"a":1}}', "__metadata__ must map text to text"],
])("a bad header is refused and says why: %s", (json, message) => {
  expect(() => decodeSafetensors(fileOf(json, 8))).toThrow(message);
});

test("a header length beyond the file is refused before anything is allocated", () => {
  const bytes = fileOf("{}", 0);
  new DataView(bytes.buffer).setBigUint64(0, 2n ** 63n, true);
  expect(() => decodeSafetensors(bytes)).toThrow("header length must be at most 2 in a file of 10 bytes");
});

test("an array that doesn't fill its shape, or takes the reserved name, is not written", () => {
  const data = new Float32Array(3);
  expect(() => encodeSafetensors(new Map([["w", { shape: [2], data }]]))).toThrow("got shape [2] and 3 values");
  expect(() => encodeSafetensors(new Map([["__metadata__", { shape: [3], data }]]))).toThrow(
    "which the format reserves",
  );
});

function fileOf(json: string, dataBytes: number): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(new TextEncoder().encode(json), LENGTH_BYTES);
  return bytes;
}

function words(data: Float32Array): number[] {
  return [...new Uint32Array(data.buffer, data.byteOffset, data.length)];
}
