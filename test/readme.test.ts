import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MOD, modOk, ROOT, someText, start, workFolder } from "./support/cli.ts";

/** Commands that are not run here, and why. */
const NOT_RUN: readonly (readonly [RegExp, string])[] = [
  [/^npm ci$/, "what CI runs before the tests; it would replace the modules under this test"],
  [/^npm (test|run check)$/, "this is it"],
  [/^npm install( --save)? mixture-of-depths$/, "the packed package is installed by test/package.test.ts"],
  [/^git clone /, "the clone is this one"],
  [/^cd /, "the folder is this one"],
];

/** A model and a run of seconds, whatever the preset. */
const SMALL_MODEL = "model.seqLen=32 model.nLayer=4 model.dModel=32 model.nHead=2";
const SHORT_RUN = "train.horizon.kind=steps train.horizon.steps=4 train.batchSize=2 train.evaluate.tokens=256";

/** What is added to commands to make them short. Later options win over those of the README. */
const ADDED: readonly (readonly [RegExp, string, string])[] = [
  [/^npx mod demo\b/, `--threads 1 --set ${SMALL_MODEL} ${SHORT_RUN}`, "five minutes of training"],
  [/^npx mod train\b(?!.*--resume)/, `--threads 1 --set ${SMALL_MODEL} ${SHORT_RUN}`, "minutes to hours of training"],
  [/^npx mod eval\b(?!.*--data)/, "--max-tokens 256", "the whole validation part is half a million tokens"],
  [/^npx mod sample\b/, "--tokens 8", "a pass for each of 200 tokens"],
  [/^npx mod export\b.*--quantize/, "--max-tokens 256", "the whole validation part, twice"],
  [/^npx mod bench train\b/, "--shapes tiny --steps 1 --threads 1", "a minute of training steps"],
  [/^npx mod (data prepare|tokenizer train)\b(?!.*--tokenizer)/, "--vocab-size 300", "thousands of merges"],
];

/** Changes to TypeScript examples that make them short. */
const SHORTER_CODE: readonly (readonly [RegExp, string, string])[] = [
  [/findPreset\("(small|base|large)/g, 'findPreset("tiny', "minutes to hours of training"],
];

const README = path.join(ROOT, "README.md");
const text = existsSync(README) ? readFileSync(README, "utf8") : "";
const folder = workFolder();
const scratch = path.join(ROOT, ".mod", `readme-${process.pid}`); // inside the package, which the examples import by name

beforeAll(() => {
  const bin = path.join(folder.dir, ".bin");
  mkdirSync(bin);
  // `npx mod` is this build, also within pipes.
  writeFileSync(path.join(bin, "npx"), `#!/bin/sh\nshift\nexec "${process.execPath}" "${MOD}" "$@"\n`);
  chmodSync(path.join(bin, "npx"), 0o755);
  // Files that the commands name.
  cpSync(path.join(folder.dir, "texts"), path.join(folder.dir, "books"), { recursive: true });
  writeFileSync(path.join(folder.dir, "essay.txt"), someText(1, 100));
  const notes = [2, 3, 4].map((seed) => JSON.stringify({ text: someText(seed, 100) })).join("\n");
  writeFileSync(path.join(folder.dir, "notes.jsonl"), notes);
  writeFileSync(path.join(folder.dir, "notes.jsonl.gz"), gzipSync(notes));
  mkdirSync(scratch, { recursive: true });
});
afterAll(() => {
  folder.remove();
  rmSync(scratch, { recursive: true, force: true });
});

/** The code blocks of a language. */
const blocks = (markdown: string, language: string): string[] =>
  [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(([, code]) => code!);

/** The commands of a shell block, one by one: without comments and prompts, `&&` apart, continued lines joined. */
function commandsOf(block: string): string[] {
  const lines = block.replaceAll("\\\n", " ").split("\n");
  return lines
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .flatMap((line) => line.split(/\s+&&\s+/))
    .map((command) => command.replace(/\s+/g, " ").trim())
    .filter((command) => command !== "");
}

/** The command as it is run here. */
function runnable(command: string): string {
  const real = command === "npm start" ? "npx mod demo" : command;
  if (!/\bnpx mod\b/.test(real))
    throw new Error(`test/readme.test.ts has no rule for the README's command: ${command}`);
  const added = ADDED.filter(([pattern]) => pattern.test(real)).map(([, more]) => more);
  return [real, ...added].join(" ");
}

test("README.md names the commands of the first minutes", () => {
  const commands = blocks(text, "sh").flatMap(commandsOf);
  expect(commands).toEqual(expect.arrayContaining(["npm ci", "npm start", "npm test"]));
});

describe("every command of README.md works", () => {
  for (const [i, command] of blocks(text, "sh").flatMap(commandsOf).entries()) {
    const why = NOT_RUN.find(([pattern]) => pattern.test(command))?.[1];
    test(`${i + 1}. ${command}${why ? ` (known, not run: ${why})` : ""}`, async () => {
      if (why !== undefined) return;
      const line = runnable(command);
      const withPath = `PATH="$PWD/.bin:$PATH"; set -o pipefail; ${line}`;
      const { code, stdout, stderr } = await start("bash", ["-c", withPath], { cwd: folder.dir }).result;
      expect(code, `${line}\n${stdout}${stderr}`).toBe(0);
    });
  }
});

const SAMPLING = readFileSync(path.join(ROOT, "docs", "SAMPLING.md"), "utf8");

describe("every TypeScript example of README.md and docs/SAMPLING.md works", () => {
  for (const [i, code] of [text, SAMPLING].flatMap((markdown) => blocks(markdown, "ts")).entries()) {
    test(`example ${i + 1}`, async () => {
      const source = path.join(scratch, `example${i + 1}.mts`);
      writeFileSync(
        source,
        SHORTER_CODE.reduce((all, [from, to]) => all.replace(from, to), code),
      );
      const options = "--strict --target es2023 --module nodenext --types node --skipLibCheck --ignoreConfig".split(
        " ",
      );
      execFileSync(process.execPath, [path.join(ROOT, "node_modules/typescript/bin/tsc"), ...options, source]);
      const compiled = source.replace(/\.mts$/, ".mjs");
      const { code: exit, stdout, stderr } = await start(process.execPath, [compiled], { cwd: folder.dir }).result;
      expect(exit, `${stdout}${stderr}`).toBe(0);
    });
  }
});

describe("commands in documents name commands and options that exist", () => {
  const names = ["README.md", ...readdirSync(path.join(ROOT, "docs")).map((name) => path.join("docs", name))];
  for (const name of names.filter((file) => file.endsWith(".md") && existsSync(path.join(ROOT, file)))) {
    test(name, async () => {
      const markdown = readFileSync(path.join(ROOT, name), "utf8").replaceAll("\\\n", " ");
      for (const [, words] of markdown.matchAll(/\bmod ((?:bench |data |study |tokenizer )?[a-z]+(?: [^`\n|;#]*)?)/g)) {
        const flags = [...words!.matchAll(/(?<=\s)--[a-z-]+/g)].map(([flag]) => flag);
        if (flags.length === 0) continue;
        const [first, second] = words!.split(" ");
        const group = ["bench", "data", "study", "tokenizer"].includes(first!);
        const { stdout } = await modOk([first!, ...(group ? [second!] : []), "--help"], { cwd: folder.dir });
        for (const flag of flags) expect(stdout, `mod ${words}`).toContain(`${flag}`);
      }
    });
  }
});
