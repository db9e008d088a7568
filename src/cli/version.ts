import { readFileSync } from "node:fs";

/** The version in package.json, which lies as far above dist/cli as above src/cli. */
export const packageVersion = (): string =>
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
