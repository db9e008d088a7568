import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** A folder for all tests of a file, gone when they are over. */
export function fileFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "mod-ui-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
