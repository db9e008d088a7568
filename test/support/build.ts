import { execFileSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

/** Vitest's global setup: the tests of the command line, the package and the page run what is in dist, which must not be stale. */
export function setup(): void {
  const run = (program: string, ...args: string[]) =>
    execFileSync(process.execPath, [path.join(root, "node_modules", program), ...args], {
      cwd: root,
      stdio: "inherit",
    });
  run("typescript/bin/tsc", "--project", "tsconfig.build.json");
  run("vite/bin/vite.js", "build", "--config", "web/vite.config.ts", "--logLevel", "warn");
}
