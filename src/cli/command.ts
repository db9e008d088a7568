import { Command, Option } from "commander";
import { z } from "zod";
import { valueAt } from "../config/runConfig.ts";
import type { Output } from "./output.ts";
import { suggestion, UsageError } from "./usage.ts";

export interface ArgumentSpec {
  readonly name: string;
  readonly description: string;
  /** Whether it may be left out; those that may come last. */
  readonly isOptional?: boolean;
}

/**
 * A command. Its options are a zod schema: keys become flags (`topK`: `--top-k`), descriptions and defaults become help, and
 * what the schema refuses is a usage error. Booleans are switches (one that is on by default becomes `--no-X`), arrays take
 * several values.
 */
export interface CommandSpec<S extends z.ZodObject = z.ZodObject> {
  /** More than the summary that the list of commands gives, which stands here if there is no more to say. */
  readonly description?: string;
  /** In this order. */
  readonly arguments?: readonly ArgumentSpec[];
  readonly options: S;
  readonly examples?: readonly string[];
  /** Returns what `--json` prints; undefined where it was printed along the way. */
  run(input: { args: readonly string[]; options: z.output<S>; output: Output }): Promise<unknown>;
}

export const defineCommand = <S extends z.ZodObject>(spec: CommandSpec<S>): CommandSpec<S> => spec;

const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

interface Field {
  readonly key: string;
  readonly flag: string;
  readonly description: string;
  readonly default?: unknown;
  readonly kind: "switch" | "list" | "value";
  readonly placeholder: string;
}

function fieldsOf(schema: z.ZodObject): Field[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: "output", unrepresentable: "any" });
  return Object.entries(properties).map(([key, property]) => {
    const { type, enum: choices, default: initial, description = "" } = property as z.core.JSONSchema.JSONSchema;
    const meta = schema.shape[key]!.meta() as { value?: string } | undefined;
    const kind = type === "boolean" ? "switch" : type === "array" ? "list" : "value";
    const placeholder = meta?.value ?? (choices ? choices.join("|") : type === "string" ? "text" : "n");
    const flag = kind === "switch" && initial === true ? `--no-${kebab(key)}` : `--${kebab(key)}`;
    return { key, flag, description, default: initial, kind, placeholder };
  });
}

/** Commander ends at the first problem; this one keeps it, so that all problems can be told at once. */
class KeepsProblems extends Command {
  readonly flagsWithoutValue: string[] = [];

  override error(message: string): never {
    const [flag] = /--[\w-]+/.exec(message) ?? [];
    if (flag === undefined) throw new UsageError([message.replace(/^error: /, "")]);
    this.flagsWithoutValue.push(flag);
    return undefined as never;
  }
}

const flagsOf = ({ flag, kind, placeholder }: Field): string =>
  kind === "switch" ? flag : kind === "list" ? `${flag} <${placeholder}...>` : `${flag} <${placeholder}>`;

/** The commander form of a command; `execute` is called with checked input. */
export function toCommander(
  { name, summary }: { readonly name: string; readonly summary: string },
  spec: CommandSpec,
  execute: (input: { args: string[]; options: Record<string, unknown> }) => Promise<void>,
): Command {
  const command = new KeepsProblems(name).summary(summary).description(spec.description ?? summary);
  const fields = fieldsOf(spec.options);
  for (const argument of spec.arguments ?? []) command.argument(`[${argument.name}]`, argument.description);
  for (const field of fields) {
    const isShown = field.default !== undefined && field.kind !== "switch" && String(field.default) !== "";
    command.addOption(
      new Option(flagsOf(field), isShown ? `${field.description} (default: ${field.default})` : field.description),
    );
  }
  if (spec.examples)
    command.addHelpText("after", `\nExamples:\n${spec.examples.map((line) => `  ${line}`).join("\n")}`);
  // Unknown words are collected, so that all problems can be told at once.
  command.allowUnknownOption().allowExcessArguments();
  return command.action(async () => {
    const words = command.args;
    const given = spec.arguments?.length ?? 0;
    const { options, problems } = checkOptions(spec.options, fields, command.opts(), command.flagsWithoutValue);
    const all = [...checkWords(words, spec, fields, command.opts()), ...problems];
    if (all.length > 0) throw new UsageError(all);
    await execute({ args: words.slice(0, given), options });
  });
}

function checkWords(
  words: readonly string[],
  spec: CommandSpec,
  fields: readonly Field[],
  given: Record<string, unknown>,
): string[] {
  const wanted = spec.arguments ?? [];
  const known = [...fields.map(({ flag }) => flag), "--help"];
  const isOption = (word: string) => /^-[^\d]/.test(word);
  const unknown = words.filter(isOption).map((word) => word.split("=")[0]!);
  const problems = unknown.map((word) => `unknown option ${word}${suggestion(word, known)}`);
  const plain = words.filter((word) => !isOption(word));
  const greedy = fields.find(({ key, kind }) => kind === "list" && given[key] !== undefined);
  const hint = greedy ? ` (${greedy.flag} takes all words after it; put ${wanted[0]?.name} first)` : "";
  for (const { name, description } of wanted.slice(plain.length).filter(({ isOptional }) => !isOptional))
    problems.push(`missing ${name}: ${description}${hint}`);
  if (unknown.length > 0) return problems; // a word after an unknown option may be its value
  for (const word of plain.slice(wanted.length)) problems.push(`unexpected argument "${word}"`);
  return problems;
}

function checkOptions(
  schema: z.ZodObject,
  fields: readonly Field[],
  given: Record<string, unknown>,
  flagsWithoutValue: readonly string[],
) {
  const problems = flagsWithoutValue.map((flag) => {
    const { placeholder } = fields.find((field) => field.flag === flag)!;
    return `${flag} needs a value: ${flag} <${placeholder}>`;
  });
  const result = schema.safeParse(given, { reportInput: true });
  if (result.success) return { options: result.data, problems };
  for (const issue of result.error.issues) {
    const field = fields.find(({ key }) => key === issue.path[0]);
    if (!flagsWithoutValue.includes(field?.flag ?? "")) problems.push(optionProblem(issue, field, given));
  }
  return { options: {}, problems };
}

function optionProblem(issue: z.core.$ZodIssue, field: Field | undefined, given: Record<string, unknown>): string {
  const flag = field?.flag ?? issue.path.join(".");
  // A word of a list may stand for several values, so that positions differ; a single value is told as it was written.
  const value = field?.kind === "list" ? issue.input : valueAt(given, issue.path);
  if (value === undefined) return `${flag} is needed: ${field?.description}`;
  const choices = issue.code === "invalid_value" ? issue.values.map(String) : [];
  const rule = choices.length > 0 ? `must be one of ${choices.join(", ")}` : issue.message;
  return `${flag}: ${rule}, got ${JSON.stringify(value)}${suggestion(String(value), choices)}`;
}
