import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

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
  readonly path: string;
  readonly type: string;
  /** Its name holds a hash of its content. */
  readonly isFixed: boolean;
}

/** The page's files by their address, listed once: what is not in the list is not there, whatever an address looks like. */
export class WebFiles {
  readonly #files: ReadonlyMap<string, WebFile>;

  /** @throws where the page was not built */
  constructor(dir: string) {
    this.#files = new Map(list(dir).map((name) => [`/${name}`, fileOf(dir, name)]));
    if (!this.#files.has("/index.html")) {
      throw new Error(`ui: ${dir} must hold the built page, got no index.html; run npm run build:web`);
    }
  }

  find(address: string): WebFile | undefined {
    return this.#files.get(address === "/" ? "/index.html" : address);
  }

  /** A file's bytes. The page is told that there is a server behind it: the same files make the static site. */
  read({ path: file, type }: WebFile): Uint8Array {
    const bytes = readFileSync(file);
    if (!type.startsWith("text/html")) return bytes;
    return Buffer.from(bytes.toString("utf8").replace('data-server="none"', 'data-server="local"'));
  }
}

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
  path: path.join(dir, name),
  type: TYPES[path.extname(name)] ?? "application/octet-stream",
  isFixed: name.startsWith("assets/"),
});
