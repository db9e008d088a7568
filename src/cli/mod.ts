#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { packageVersion } from "../run/provenance.ts";
import type { CommandSpec } from "./command.ts";
import { Output } from "./output.ts";
import { suggestion, UsageError } from "./usage.ts";

const BAD_USAGE = 2;
/** As of a process that SIGPIPE ends. */
const BROKEN_PIPE = 141;

/** Commands by name, two words for a group; loaded when needed, so that `mod --help` is fast. */
const COMMANDS: Readonly<Record<string, { readonly summary: string; load(): Promise<CommandSpec> }>> = {
  demo: {
    summary: "train a small model on real text, show its routing, sample from it",
    load: async () => (await import("./commands/demo.ts")).demo,
  },
  train: { summary: "train a model, or go on with one", load: async () => (await import("./commands/train.ts")).train },
  eval: {
    summary: "loss of a trained model under every routing rule",
    load: async () => (await import("./commands/eval.ts")).evaluate,
  },
  sample: { summary: "continue a prompt", load: async () => (await import("./commands/sample.ts")).sample },
  inspect: {
    summary: "which layers compute which tokens of a text",
    load: async () => (await import("./commands/inspect.ts")).inspect,
  },
  calibrate: {
    summary: "thresholds at which routed layers compute just their share",
    load: async () => (await import("./commands/calibrate.ts")).calibrate,
  },
  export: {
    summary: "write a trained model as ONNX or safetensors files, for programs without this package",
    load: async () => (await import("./commands/export.ts")).exportModel,
  },
  ui: {
    summary: "watch runs and look into models in the browser",
    load: async () => (await import("./commands/ui.ts")).ui,
  },
  flops: {
    summary: "count a model's FLOPs and parameters",
    load: async () => (await import("./commands/flops.ts")).flops,
  },
  presets: { summary: "list the presets", load: async () => (await import("./commands/presets.ts")).presets },
  "study plan": {
    summary: "list the runs of a study",
    load: async () => (await import("./commands/studyPlan.ts")).studyPlan,
  },
  "study run": {
    summary: "make the runs of a study, or go on with them",
    load: async () => (await import("./commands/studyRun.ts")).studyRun,
  },
  "study report": {
    summary: "fit and draw a study",
    load: async () => (await import("./commands/studyReport.ts")).studyReport,
  },
  "study submit": {
    summary: "hand the runs of a study to Slurm",
    load: async () => (await import("./commands/studySubmit.ts")).studySubmit,
  },
  "bench train": {
    summary: "time training steps, and those of other frameworks",
    load: async () => (await import("./commands/benchTrain.ts")).benchTrain,
  },
  "bench sample": {
    summary: "time sampling, and that of PyTorch",
    load: async () => (await import("./commands/benchSample.ts")).benchSample,
  },
  "data prepare": {
    summary: "turn text into token files",
    load: async () => (await import("./commands/dataPrepare.ts")).dataPrepare,
  },
  "tokenizer train": {
    summary: "train a byte-level BPE vocabulary",
    load: async () => (await import("./commands/tokenizerTrain.ts")).tokenizerTrain,
  },
};

const NAMES = Object.keys(COMMANDS);
const FIRST_WORDS = [...new Set(NAMES.map((name) => name.split(" ")[0]!))];

/** Second words of a group; none for a command of one word. */
const innerNames = (group: string | undefined): string[] =>
  NAMES.filter((name) => name.startsWith(`${group} `)).map((name) => name.split(" ")[1]!);

/** The command or group that the words begin with, as far as they name one. */
function knownPath([first = "", second = ""]: readonly string[]): string[] {
  if (!FIRST_WORDS.includes(first)) return [];
  return innerNames(first).includes(second) ? [first, second] : [first];
}

const isHelp = (word: string | undefined): boolean => word === "--help" || word === "-h";
const isVersion = (word: string | undefined): boolean => word === "--version" || word === "-V";

/** What is wrong with the words that should name a command. */
function commandProblem(words: readonly string[], path: readonly string[]): string | undefined {
  const next = words[path.length];
  if (isHelp(next) || (path.length === 0 && isVersion(next))) return undefined;
  const choices = path.length === 0 ? FIRST_WORDS : path.length === 1 ? innerNames(path[0]) : [];
  if (choices.length === 0) return undefined;
  const name = [...path, next].join(" ");
  if (next === undefined) return `a command is needed: mod ${[...path, choices.join("|")].join(" ")}`;
  if (!next.startsWith("-")) return `unknown command "${name}"${suggestion(next, choices)}`;
  return `unknown option ${next}; a command's options stand after its name`;
}

/** The program with one command loaded, and all others named only. */
async function buildProgram(chosen: string): Promise<Command> {
  const program = new Command("mod")
    .description("Mixture-of-Depths language models: train, evaluate, sample, look into.")
    .version(packageVersion())
    .exitOverride()
    .addHelpText("after", "\nmod COMMAND --help tells a command's options. Start with: mod demo");
  for (const name of NAMES) {
    const words = { name: name.split(" ").at(-1)!, summary: COMMANDS[name]!.summary };
    const command = name === chosen ? await load(name, words) : named(words.name, words.summary);
    parentOf(program, name).addCommand(command.exitOverride());
  }
  return program;
}

async function load(name: string, words: { name: string; summary: string }): Promise<Command> {
  const { toCommander } = await import("./command.ts");
  const spec = await COMMANDS[name]!.load();
  return toCommander(words, spec, async ({ args, options }) => {
    const output = new Output(options.json === true);
    const document = await spec.run({ args, options: options as never, output });
    if (output.json && document !== undefined) output.document(document);
  });
}

const named = (name: string, summary: string): Command => new Command(name).summary(summary).description(summary);

/** The program itself, or the group that the first of two words names. */
function parentOf(program: Command, name: string): Command {
  const [group, inner] = name.split(" ");
  if (inner === undefined) return program;
  const known = program.commands.find((command) => command.name() === group);
  if (known) return known;
  const made = named(group!, COMMANDS[name]!.summary).exitOverride().helpCommand(false);
  program.addCommand(made);
  return made;
}

async function main(given: readonly string[]): Promise<number> {
  const words = given[0] === "help" ? [...given.slice(1), "--help"] : given;
  const path = knownPath(words);
  try {
    const problem = commandProblem(words, path);
    if (problem !== undefined) throw new UsageError([problem]);
    const program = await buildProgram(path.join(" "));
    program.configureOutput({ outputError: () => {} });
    await program.parseAsync([...words], { from: "user" });
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } catch (error) {
    return report(error, path);
  }
}

function report(error: unknown, path: readonly string[]): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const { name, message, stack } = error as Error;
  if (error instanceof UsageError || error instanceof CommanderError) {
    const problems = error instanceof UsageError ? error.problems : [message.replace(/^error: /, "")];
    const lines = problems.map((problem) => `mod: ${problem}\n`).join("");
    process.stderr.write(`${lines}See ${["mod", ...path, "--help"].join(" ")}\n`);
    return BAD_USAGE;
  }
  process.stderr.write(`mod: ${process.env.MOD_DEBUG ? stack : message}\n`);
  return name === "ConfigError" || name === "OverrideError" ? BAD_USAGE : 1;
}

// Whoever read the output has seen enough: `mod presets | head -1`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(BROKEN_PIPE);
  });
}

process.exitCode = await main(process.argv.slice(2));
