import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll } from "vitest";

const root = resolve(import.meta.dirname, "../../..");

/**
 * Compiles source files (paths below src/) and all they import to a temporary folder, for tests that start processes of
 * their own: Node runs JavaScript alone. The folder is there from the first test of the file on.
 */
export function builtSources(files: readonly string[]): { path(file: string): string } {
  let built = "";
  beforeAll(() => {
    built = mkdtempSync(join(tmpdir(), "mod-built-"));
    writeFileSync(join(built, "package.json"), '{"type":"module"}');
    writeFileSync(join(built, "tsconfig.json"), JSON.stringify(buildConfig(built, files)));
    symlinkSync(join(root, "node_modules"), join(built, "node_modules"));
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--project", built]);
  });
  afterAll(() => rmSync(built, { recursive: true, force: true }));
  return { path: (file) => join(built, file) };
}

function buildConfig(built: string, files: readonly string[]): object {
  return {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      rootDir: join(root, "src"),
      outDir: built,
      typeRoots: [join(root, "node_modules/@types")],
    },
    include: [],
    files: files.map((file) => join(root, "src", file)),
  };
}
