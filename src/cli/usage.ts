import { closest, distance } from "fastest-levenshtein";

/** The command line was used in a way it does not allow. Exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** ` (did you mean X?)` for the nearest known word, or nothing if none is near. */
export function suggestion(word: string, known: readonly string[]): string {
  if (known.length === 0) return "";
  const nearest = closest(word, known);
  return distance(word, nearest) <= Math.max(2, word.length / 3) ? ` (did you mean ${nearest}?)` : "";
}
