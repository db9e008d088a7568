import { createHash } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { NamedArrays } from "../notation.ts";
import { encodeSafetensors } from "./safetensors.ts";
import { readSafetensorsFile, writeSafetensorsFile } from "./safetensorsFile.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

const arrays: NamedArrays = new Map([
  ["a", { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ["b", { shape: [0], data: new Float32Array(0) }],
  ["c", { shape: [], data: Float32Array.of(-1) }],
]);

test("array by array gives the same bytes as in one piece, with their digest", () => {
  const path = join(temporaryFolder(), "w.safetensors");
  const digest = writeSafetensorsFile(path, arrays, { note: "x" });
  const bytes = readFileSync(path);
  expect(new Uint8Array(bytes)).toEqual(encodeSafetensors(arrays, { note: "x" }));
  expect(digest).toEqual({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
});

test("what is written is read, with the same digest", () => {
  const path = join(temporaryFolder(), "w.safetensors");
  const digest = writeSafetensorsFile(path, arrays, { note: "x" });
  const read = readSafetensorsFile(path);
  expect([...read.arrays]).toEqual([...arrays]);
  expect(read.metadata).toEqual({ note: "x" });
  expect(read.digest).toEqual(digest);
});

test("an array longer than one chunk comes back", () => {
  const path = join(temporaryFolder(), "w.safetensors");
  const data = Float32Array.from({ length: 17 * 2 ** 20 }, (_, i) => i);
  const digest = writeSafetensorsFile(path, new Map([["long", { shape: [data.length], data }]]));
  const read = readSafetensorsFile(path);
  expect(read.digest).toEqual(digest);
  expect(Buffer.compare(Buffer.from(read.arrays.get("long")!.data.buffer), Buffer.from(data.buffer))).toBe(0);
});

test("an existing file is not overwritten", () => {
  const path = join(temporaryFolder(), "w.safetensors");
  writeFileSync(path, "mine");
  expect(() => writeSafetensorsFile(path, arrays)).toThrow("EEXIST");
  expect(readFileSync(path, "utf8")).toBe("mine");
});

test("every truncation is refused, naming the file", () => {
  const path = join(temporaryFolder(), "w.safetensors");
  const { bytes } = writeSafetensorsFile(path, arrays);
  for (let length = bytes - 1; length >= 0; length--) {
    truncateSync(path, length);
    expect(() => readSafetensorsFile(path), `${length} bytes`).toThrow(path);
  }
});
