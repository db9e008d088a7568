import { execFileSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

/** Vitest's global setup: the tests of the command line and of the package run what is in dist, which must not be stale. */
export function setup(): void {
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [compiler, "--project", path.join(root, "tsconfig.build.json")], { stdio: "inherit" });
}
