import { realpathSync } from "node:fs";
import path from "node:path";
import { HttpError } from "./httpError.ts";

/** The name of the corpus that comes with the package. */
const BUNDLED = "sotu";

/**
 * Sources of text that a page may name: the bundled corpus, or what lies below the folder that the server was started in.
 *
 * @throws HttpError
 */
export function dataInside(cwd: string, sources: readonly string[]): string[] {
  const root = realpathSync(cwd);
  return sources.map((source) => {
    if (source === BUNDLED) return source;
    const refusal = new HttpError(
      400,
      `data: must be sotu, or lie below ${root}, got "${source}"; move the text there`,
    );
    let found: string;
    try {
      found = realpathSync(path.resolve(root, source));
    } catch {
      throw refusal;
    }
    if (!found.startsWith(root + path.sep)) throw refusal;
    return found;
  });
}
