import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { mod } from "./support/cli.ts";

const run = (...args: string[]) => mod(args, { cwd: tmpdir() });

/** Words of a command line, and the lines on standard error that they must bring. */
const BAD: Readonly<Record<string, readonly [string[], ...string[]]>> = {
  "no command": [
    [],
    "mod: a command is needed: mod demo|train|eval|sample|inspect|calibrate|export|ui|flops|presets|study|bench|data|tokenizer",
    "See mod --help",
  ],
  "an unknown command": [["trian"], 'mod: unknown command "trian" (did you mean train?)', "See mod --help"],
  "help for an unknown command": [
    ["help", "trian"],
    'mod: unknown command "trian" (did you mean train?)',
    "See mod --help",
  ],
  "an unknown command with --help": [["xyz", "--help"], 'mod: unknown command "xyz"', "See mod --help"],
  "a group alone": [["data"], "mod: a command is needed: mod data prepare", "See mod data --help"],
  "an unknown command of a group": [
    ["data", "prepar"],
    'mod: unknown command "data prepar" (did you mean prepare?)',
    "See mod data --help",
  ],
  "an option before the command": [
    ["--json", "train"],
    "mod: unknown option --json; a command's options stand after its name",
    "See mod --help",
  ],
  "several problems": [
    ["sample", "run", "extra", "--tokens", "many", "--top-p", "2", "--temperature=-1", "--rule", "predict"],
    'mod: unexpected argument "extra"',
    'mod: --tokens: must be a whole number of at least 1, got "many"',
    'mod: --temperature: must be a number of at least 0, got "-1"',
    'mod: --top-p: must be a number from 0 to 1, got "2"',
    'mod: --rule: must be one of predictor, auxiliary, got "predict" (did you mean predictor?)',
    "See mod sample --help",
  ],
  "an unknown option and more": [
    ["train", "--presett", "tiny", "--seed", "", "--threads", "0.5"],
    "mod: unknown option --presett (did you mean --preset?)",
    'mod: --seed: must be a whole number of at least 0, got ""',
    'mod: --threads: must be a whole number of at least 1, got "0.5"',
    "See mod train --help",
  ],
  "a value left out, and more": [
    ["train", "--seed", "x", "--set"],
    "mod: --set needs a value: --set <path=value>",
    'mod: --seed: must be a whole number of at least 0, got "x"',
    "See mod train --help",
  ],
  "nothing given that is needed": [
    ["inspect"],
    "mod: missing run: run folder",
    "mod: --text is needed: text to look at",
    "See mod inspect --help",
  ],
  "an argument after a list": [
    ["eval", "--data", "essay.txt", "runs/x"],
    "mod: missing run: run folder (--data takes all words after it; put run first)",
    "See mod eval --help",
  ],
  "an unknown preset": [
    ["flops", "--preset", "tini"],
    'mod: --preset: unknown preset "tini" (did you mean tiny?); mod presets lists them',
    "See mod flops --help",
  ],
  "changes that are none": [
    ["flops", "--set", "model.nLayer", "=3"],
    'mod: --set: must be path=value, got "model.nLayer"',
    'mod: --set: must be path=value, got "=3"',
    "See mod flops --help",
  ],
  "files of an unknown kind": [
    ["inspect", "run", "--text", "x", "--out", "a.jpg", "b.svg", "c.gif"],
    'mod: --out: must end in .svg or .png, got "a.jpg"',
    'mod: --out: must end in .svg or .png, got "c.gif"',
    "See mod inspect --help",
  ],
  "a run that goes on, changed": [
    ["train", "--resume", "runs/x", "--preset", "tiny", "--set", "seed=1"],
    "mod: --preset cannot change a run that goes on; leave it out, or leave out --resume",
    "mod: --set cannot change a run that goes on; leave it out, or leave out --resume",
    "See mod train --help",
  ],
  "a limit that does not apply": [
    ["eval", "run", "--data", "essay.txt", "--max-tokens", "5"],
    "mod: --max-tokens is for the run's validation part; leave it out where --data is given",
    "See mod eval --help",
  ],
};

describe("bad usage exits with 2 and tells all problems", () => {
  for (const [name, [args, ...lines]] of Object.entries(BAD)) {
    test(name, async () => {
      expect(await run(...args)).toEqual({ code: 2, stdout: "", stderr: `${lines.join("\n")}\n` });
    });
  }
});

test("a bad configuration exits with 2 and names every path", async () => {
  const changes = ["model.nLyer=3", "model.seqLen=0", "train.horizon.kind=stepz", "train.optimizer.beta1=2", "seed=x"];
  const { code, stdout, stderr } = await run("flops", "--preset", "tiny", "--set", ...changes);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("mod: configuration: 5 values are not allowed");
  for (const path of ["seed", "model", "model.seqLen", "train.horizon.kind", "train.optimizer.beta1"]) {
    expect(stderr).toMatch(new RegExp(`^ {2}- ${path}: `, "m"));
  }
  expect(stderr).toContain('"nLyer"');
});

test("a reader who has seen enough ends a command quietly", async () => {
  const { start, MOD } = await import("./support/cli.ts");
  const command = `${JSON.stringify(process.execPath)} ${JSON.stringify(MOD)} presets | true; exit "\${PIPESTATUS[0]}"`;
  const { code, stderr } = await start("bash", ["-c", command], { cwd: tmpdir() }).result;
  expect(stderr).toBe("");
  // 0 where the output was written before the reader had gone.
  expect([0, 141]).toContain(code);
});
