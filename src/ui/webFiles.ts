import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { corpusJson } from "./corpus.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

export interface WebFile {
  readonly type: string;
  /** Its name holds a hash of its content. */
  readonly isFixed: boolean;
  read(): Promise<Uint8Array>;
}

/** The page's files by their address, listed once: what is not in the list is not there, whatever an address looks like. */
export class WebFiles {
  readonly #files: ReadonlyMap<string, WebFile>;

  /** @throws where the page was not built */
  constructor(dir: string) {
    this.#files = new Map([
      [CORPUS, wholeCorpus],
      ...list(dir).map((name) => [`/${name}`, fileOf(dir, name)] as const),
    ]);
    if (!this.#files.has("/index.html")) {
      throw new Error(`ui: ${dir} must hold the built page, got no index.html; run npm run build:web`);
    }
  }

  find(address: string): WebFile | undefined {
    return this.#files.get(address === "/" ? "/index.html" : address);
  }
}

/** The package that holds it is installed with this one: what is packed leaves it out. */
const CORPUS = "/engine/sotu.json";
const wholeCorpus: WebFile = {
  type: TYPES[".json"]!,
  isFixed: false,
  read: async () => Buffer.from(await corpusJson("sotu")),
};

function list(dir: string): string[] {
  try {
    return (readdirSync(dir, { recursive: true, withFileTypes: true }) as import("node:fs").Dirent[])
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"));
  } catch {
    return [];
  }
}

const fileOf = (dir: string, name: string): WebFile => ({
  type: TYPES[path.extname(name)] ?? "application/octet-stream",
  isFixed: name.startsWith("assets/"),
  read: async () => {
    const bytes = await readFile(path.join(dir, name));
    if (!name.endsWith(".html")) return bytes;
    // The page is told that there is a server behind it: the same files make the static site.
    return Buffer.from(bytes.toString("utf8").replace('data-server="none"', 'data-server="local"'));
  },
});
