import { type Dirent, lstatSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import path from "node:path";

/** How deep run folders are looked for: `runs/ID` of a study is one level down. */
const DEPTH = 4;
const LEFT_OUT = new Set(["checkpoints", "node_modules"]);
const NEW_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/**
 * The folder whose runs are shown, and nothing else. A run's id is its path below the folder; ids from outside are walked part
 * by part, and no part may be a link or lead up, so that no id leads out of the folder.
 */
export class RunsFolder {
  /** Absolute, without links. */
  readonly root: string;
  /** Where the folder that was given is itself a run: its name, the only id there is. */
  readonly #only: string | null;

  /** @throws where there is no such folder */
  constructor(dir: string) {
    const found = statSync(dir, { throwIfNoEntry: false });
    if (!found?.isDirectory()) {
      throw new Error(`ui: ${dir} must be a folder with runs, got ${found ? "a file" : "nothing there"}; name another`);
    }
    const real = realpathSync(dir);
    this.#only = isRun(real) ? path.basename(real) : null;
    this.root = this.#only === null ? real : path.dirname(real);
  }

  /** Whether new runs may be put there. */
  get takesNewRuns(): boolean {
    return this.#only === null;
  }

  /**
   * Ids of all runs, in the order of their names. What cannot be read below the folder is left out.
   *
   * @throws where the folder itself cannot be read
   */
  ids(): string[] {
    return this.#only === null ? [...runsBelow(this.root, "", DEPTH)] : [this.#only];
  }

  /** The folder of a run; null if there is none of that id. */
  resolve(id: string): string | null {
    if (this.#only !== null && id !== this.#only) return null;
    let dir = this.root;
    for (const part of id.split("/")) {
      if (part === "" || part === "." || part === ".." || /[\\\0]/.test(part)) return null;
      dir = path.join(dir, part);
      if (!entryAt(dir)?.isDirectory()) return null;
    }
    return isRun(dir) ? dir : null;
  }

  /** Where a new run of that name goes; null if the name is not one, or is taken. */
  place(name: string): string | null {
    if (!this.takesNewRuns || !NEW_NAME.test(name)) return null;
    const dir = path.join(this.root, name);
    return lstatSync(dir, { throwIfNoEntry: false }) === undefined ? dir : null;
  }
}

/** A run's own files are files, not links: a link could name any file of the machine. */
export function isRun(dir: string): boolean {
  return isPlainFile(path.join(dir, "config.json")) && isPlainFile(path.join(dir, "tokenizer.json"));
}

export const isPlainFile = (file: string): boolean => entryAt(file)?.isFile() === true;

/** What is at a path, links not followed; what may not be looked at is as if it were not there. */
function entryAt(file: string): Stats | undefined {
  try {
    return lstatSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Throws where something in a folder, at any depth, is a link: what is opened as a run must lie in it. */
export function refuseLinks(dir: string, where: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const file = path.join(dir, entry.name);
    if (entry.isSymbolicLink())
      throw new Error(`${where}: a run must hold no links, got ${entry.name}; copy the file there`);
    if (entry.isDirectory()) refuseLinks(file, where);
  }
}

function* runsBelow(dir: string, prefix: string, depth: number): Generator<string> {
  const entries = entriesOf(dir, prefix === "").filter(
    (entry) => entry.isDirectory() && !entry.name.startsWith(".") && !LEFT_OUT.has(entry.name),
  );
  for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = path.join(dir, name);
    if (isRun(inner)) yield `${prefix}${name}`;
    else if (depth > 1) yield* runsBelow(inner, `${prefix}${name}/`, depth - 1);
  }
}

function entriesOf(dir: string, isRoot: boolean): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (cause) {
    if (!isRoot) return [];
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`ui: ${dir} must be a folder that can be read, got ${code}; put it back, or name another`, {
      cause,
    });
  }
}
