import { execFileSync } from "node:child_process";

/** Where interpreters are looked for: those of MOD_PYTHON (apart by commas), then the system's. */
const INTERPRETERS = [...(process.env.MOD_PYTHON?.split(",") ?? []), "python3", "/usr/bin/python3"];

/** The first Python that has all of the given modules; undefined if none has. */
export const pythonWith = (...modules: readonly string[]): string | undefined =>
  INTERPRETERS.find((command) => {
    try {
      execFileSync(command, ["-c", `import ${modules.join(", ")}`], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });

/** What a Python program prints. */
export const runPython = (python: string, code: string, args: readonly string[], cwd: string): string =>
  execFileSync(python, ["-c", code, ...args], { encoding: "utf8", cwd });
