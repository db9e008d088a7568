import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";

/** Where this package lies: as far above dist/run as above src/run. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(import.meta.url);

export const packageVersion = (): string => JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")).version;

/** What times depend on, beside the code; to be called before they are measured. */
export function describeMachine() {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    node: process.version,
    onnxruntime: require("onnxruntime-node/package.json").version as string,
    loadAverage: loadavg()[0]!,
  };
}

/** The commit that is checked out, or null: an installed package lies in no repository, or in another's. */
export function currentCommit(): string | null {
  try {
    const answer = execFileSync("git", ["rev-parse", "--show-toplevel", "--short", "HEAD"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [top, commit] = answer.trim().split("\n");
    return realpathSync(top!) === realpathSync(ROOT) ? commit! : null;
  } catch {
    return null;
  }
}
