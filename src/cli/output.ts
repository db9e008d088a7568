import { wantsColor } from "../render/color.ts";
import { createProgress, type Progress } from "../render/progress.ts";
import { escapeUnprintable } from "../render/tokenText.ts";

/**
 * Where a command writes. With `--json` standard output carries one JSON document at the end and nothing else; what is meant
 * for people goes to standard error then.
 */
export class Output {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** A result for people, without a line end added. */
  write(text: string): void {
    this.#people.write(text);
  }

  /** Text of a model or a user: a terminal gets its control characters as codes, anything else gets it as it is. */
  writeText(text: string): void {
    this.write(this.#people.isTTY ? text.replace(/[^\n\t]+/g, escapeUnprintable) : text);
  }

  /** A result for people, a line. */
  print(line = ""): void {
    this.write(`${line}\n`);
  }

  /** Something said along the way; never part of the result. */
  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  progress(label: string, total: number): Progress {
    return createProgress({ label, total });
  }

  /** Whether what people read may be coloured, and how wide it may be. */
  get style(): { readonly color: boolean; readonly width: number } {
    return { color: wantsColor(this.#people), width: this.#people.columns || 100 };
  }

  document(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  get #people(): NodeJS.WriteStream {
    return this.json ? process.stderr : process.stdout;
  }
}
