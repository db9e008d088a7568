import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { sha256 } from "./sha256.ts";

test("SHA-256 is Node's, of bytes and of text", () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 256);
  for (const content of ["", "abc", "naïve 木 🙂", bytes, bytes.subarray(3, 130)]) {
    expect(sha256(content)).toBe(createHash("sha256").update(content).digest("hex"));
  }
});
