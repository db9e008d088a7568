#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { type CommandSpec, toCommander } from "./command.ts";
import { Output } from "./output.ts";
import { suggestion, UsageError } from "./usage.ts";

const BAD_USAGE = 2;

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
  flops: {
    summary: "count a model's FLOPs and parameters",
    load: async () => (await import("./commands/flops.ts")).flops,
  },
  presets: { summary: "list the presets", load: async () => (await import("./commands/presets.ts")).presets },
  "data prepare": {
    summary: "turn text into token files",
    load: async () => (await import("./commands/dataPrepare.ts")).dataPrepare,
  },
  "tokenizer train": {
    summary: "train a byte-level BPE vocabulary",
    load: async () => (await import("./commands/tokenizerTrain.ts")).tokenizerTrain,
  },
};

async function execute(spec: CommandSpec, args: string[], options: Record<string, unknown>): Promise<void> {
  const output = new Output(options.json === true);
  const document = await spec.run({ args, options: options as never, output });
  if (output.json) output.document(document);
}

/** The program with one command loaded, or with all of them named only. */
async function buildProgram(words: readonly string[]): Promise<Command> {
  const program = new Command("mod")
    .description("Mixture-of-Depths language models: train, evaluate, sample, look into.")
    .version("0.1.0")
    .exitOverride();
  const chosen = Object.keys(COMMANDS).find((name) => name === words.slice(0, name.split(" ").length).join(" "));
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command =
      name === chosen
        ? await load().then((spec) => toCommander(spec, ({ args, options }) => execute(spec, args, options)))
        : new Command(name.split(" ").at(-1)).summary(summary).description(summary);
    parentOf(program, name).addCommand(command.exitOverride());
  }
  return program;
}

/** The program itself, or the group that the first of two words names. */
function parentOf(program: Command, name: string): Command {
  const [group, inner] = name.split(" ");
  if (inner === undefined) return program;
  const known = program.commands.find((command) => command.name() === group);
  return known ?? program.command(group!).summary(COMMANDS[name]!.summary).exitOverride();
}

function checkCommand(words: readonly string[]): void {
  const [first, second] = words.filter((word) => !word.startsWith("-"));
  const names = Object.keys(COMMANDS);
  const groups = new Set(names.map((name) => name.split(" ")[0]!));
  if (first === undefined)
    throw new UsageError([words.length === 0 ? "a command is needed" : `unknown option ${words[0]}`]);
  if (first === "help") return;
  if (!groups.has(first)) throw new UsageError([`unknown command "${first}"${suggestion(first, [...groups])}`]);
  const inner = names.filter((name) => name.startsWith(`${first} `)).map((name) => name.split(" ")[1]!);
  if (inner.length > 0 && !inner.includes(second ?? "")) {
    throw new UsageError([`mod ${first} needs one of: ${inner.join(", ")}${suggestion(second ?? "", inner)}`]);
  }
}

async function main(words: readonly string[]): Promise<number> {
  try {
    if (!words.some((word) => ["--help", "-h", "--version", "-V"].includes(word))) checkCommand(words);
    const program = await buildProgram(words);
    program.configureOutput({ outputError: () => {} });
    await program.parseAsync([...words], { from: "user" });
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } catch (error) {
    return report(error, words);
  }
}

function report(error: unknown, words: readonly string[]): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const isUsage = error instanceof UsageError || error instanceof CommanderError;
  const { name, message, stack } = error as Error;
  const isConfig = name === "ConfigError" || name === "OverrideError";
  if (isUsage) {
    const command = words.filter((word) => !word.startsWith("-")).slice(0, 1);
    const problems = error instanceof UsageError ? error.problems : [message.replace(/^error: /, "")];
    process.stderr.write(
      `${problems.map((problem) => `mod: ${problem}\n`).join("")}See mod ${[...command, "--help"].join(" ")}\n`,
    );
  } else process.stderr.write(`mod: ${process.env.MOD_DEBUG ? stack : message}\n`);
  return isUsage || isConfig ? BAD_USAGE : 1;
}

process.exitCode = await main(process.argv.slice(2));
