import { createInterface } from "node:readline/promises";
import type { CompletionOptions } from "../sample/completionOptions.ts";
import { resolveCompletion } from "../sample/completionOptions.ts";
import type { Output } from "./output.ts";
import { printSampling, type SampledText, type SamplingSession } from "./sampling.ts";

const HELP = `A line is a prompt: the model continues it. An empty line continues nothing, from the beginning.
/NAME VALUE sets an option for what follows: temperature, topK, topP, minP, repetitionPenalty, tokens, seed.
/routing switches colours by routing on and off. /help shows this. /quit, Ctrl-D or Ctrl-C ends.
While a text comes, Ctrl-C ends the text.`;

const NUMBERS = ["temperature", "topK", "topP", "minP", "repetitionPenalty", "tokens", "seed"] as const;

/** Continues each line that is typed, until the end of input. Returns all texts. */
export async function interactive(
  session: SamplingSession,
  initial: CompletionOptions,
  view: { readonly routing: boolean; readonly output: Output },
): Promise<{ readonly texts: readonly SampledText[] }> {
  const { output } = view;
  const isTerminal = process.stdin.isTTY === true;
  let settings = initial;
  let routing = view.routing;
  const texts: SampledText[] = [];
  const lines = createInterface({ input: process.stdin, ...(isTerminal && { output: process.stdout, prompt: "> " }) });
  if (isTerminal) output.note(HELP);
  lines.prompt();
  for await (const line of lines) {
    const [, name, value = ""] = /^\/(\w+)\s*(.*)$/.exec(line) ?? [];
    if (name === "quit") break;
    if (name === "routing") routing = !routing;
    else if (name === "help") output.note(HELP);
    else if (name !== undefined) settings = changed(settings, name, value, output);
    else {
      // Ctrl-C belongs to the text while it comes, not to the line.
      lines.pause();
      const { texts: made, ...measured } = await session.generate(line, settings, { n: 1, routing, output });
      texts.push(...made);
      printSampling(measured, output);
      process.exitCode = 0;
      settings = { ...settings, seed: (settings.seed ?? 0) + 1 };
      lines.resume();
    }
    lines.prompt();
  }
  lines.close();
  return { texts };
}

/** The settings with one changed, or as they were where that can't be, which is told. */
function changed(settings: CompletionOptions, name: string, value: string, output: Output): CompletionOptions {
  const known = NUMBERS.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
  if (known === undefined || value.trim() === "") {
    output.note(`/${name}: must be one of ${NUMBERS.join(", ")} with a number, routing, help or quit`);
    return settings;
  }
  try {
    const next = { ...settings, [known]: Number(value) };
    resolveCompletion(next);
    return next;
  } catch (error) {
    output.note((error as Error).message);
    return settings;
  }
}
