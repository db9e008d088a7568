import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "../..");
export const MOD = path.join(ROOT, "dist/cli/mod.js");

export interface CliResult {
  /** null if a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcessWithoutNullStreams;
  readonly result: Promise<CliResult>;
  /** Resolves when standard output and error together match; rejects if the process ends before. */
  until(pattern: RegExp): Promise<void>;
}

export interface CliOptions {
  readonly cwd: string;
  readonly input?: string;
}

/** Starts a program and collects what it writes. */
export function start(program: string, args: readonly string[], { cwd, input }: CliOptions): RunningCli {
  const child = spawn(program, args, { cwd });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {}); // a program may end before it has read everything
  child.stdin.end(input ?? "");
  const result = new Promise<CliResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => void (pattern.test(stdout + stderr) && resolve());
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      look();
      result.then(
        () => reject(new Error(`${pattern} must be written before the end, got:\n${stdout}${stderr}`)),
        reject,
      );
    });
  return { child, result, until };
}

export const startMod = (args: readonly string[], options: CliOptions): RunningCli =>
  start(process.execPath, [MOD, ...args], options);

/** Runs `mod` to its end. */
export const mod = (args: readonly string[], options: CliOptions): Promise<CliResult> => startMod(args, options).result;

/** Runs `mod` to its end, which must be a good one. */
export async function modOk(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const result = await mod(args, options);
  if (result.code === 0) return result;
  throw new Error(
    `mod ${args.join(" ")} must succeed, got exit code ${result.code}:\n${result.stdout}${result.stderr}`,
  );
}

/** The document that `mod ... --json` prints; throws unless it is all there is on standard output. */
export async function modJson(args: readonly string[], options: CliOptions): Promise<never> {
  const { stdout } = await modOk([...args, "--json"], options);
  return JSON.parse(stdout) as never;
}

/** A temporary folder with `texts/`, some documents to train on. The caller removes it with `remove`. */
export function workFolder(): { readonly dir: string; remove(): void } {
  const dir = mkdtempSync(path.join(tmpdir(), "mod-cli-"));
  mkdirSync(path.join(dir, "texts"));
  for (let i = 0; i < 12; i++) writeFileSync(path.join(dir, "texts", `${i}.txt`), someText(i));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

const WORDS = "the state of our union is strong my fellow citizens and congress made laws for peace".split(" ");

/** Some 900 words, always the same ones for a seed. */
export function someText(seed: number, words = 900): string {
  let state = seed + 1;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  return `${Array.from({ length: words }, () => WORDS[Math.floor(next() * WORDS.length)] + (next() < 0.1 ? "." : "")).join(" ")}\n`;
}

/** A training of `steps` steps that takes a second or two. */
export const shortTraining = (steps: number, ...more: readonly string[]): string[] => [
  ...["train", "--preset", "tiny", "--data", "texts", "--threads", "1"],
  ...["--set", `train.horizon.steps=${steps}`, "train.batchSize=2", "train.evaluate.tokens=256", ...more],
];
