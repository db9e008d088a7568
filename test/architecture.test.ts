import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./support/cli.ts";

/** Every room below those that bring all together. */
const LIBRARY = [
  "notation",
  "files",
  "random",
  "sha256",
  "graph",
  "render",
  "runtime",
  "model",
  "flops",
  "config",
  "data",
  "run",
  "train",
  "sample",
  "export",
  "study",
  "bench",
];

/**
 * Rooms (folders and leaf files of src) and the rooms each may import, in order: a room imports only rooms above it, so the
 * direction has no cycle. ARCHITECTURE.md says what each is for. `types of X` allows `import type` alone.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  notation: [],
  random: [],
  sha256: [],
  graph: [],
  runtime: ["graph"],
  model: ["notation", "random", "graph"],
  flops: ["model"],
  config: ["model", "runtime"],
  files: [],
  data: ["notation", "random", "sha256", "files"],
  run: ["notation", "sha256", "files", "model", "config", "data", "runtime"],
  render: [],
  train: ["notation", "random", "graph", "runtime", "model", "flops", "config", "data", "run"],
  // What a routing map is, plain data, is said where maps are drawn.
  sample: ["notation", "random", "graph", "runtime", "model", "config", "data", "run", "types of render"],
  export: ["notation", "files", "graph", "model", "data", "run", "runtime", "train"],
  study: [
    "notation",
    "random",
    "files",
    "render",
    "model",
    "flops",
    "config",
    "data",
    "run",
    "runtime",
    "train",
    "sample",
  ],
  bench: ["graph", "model", "flops", "config", "data", "run", "runtime", "train", "sample"],
  ui: ["files", "model", "config", "data", "run", "runtime", "train", "sample", "study"],
  index: LIBRARY,
  browser: ["notation", "graph", "model", "flops", "config", "data", "run", "runtime", "train", "sample"],
  cli: [...LIBRARY, "ui"],
};

/** These run anywhere: no Node, no ONNX Runtime. */
const PORTABLE = [
  "graph/",
  "model/",
  "flops/",
  "data/tokenizer/",
  "notation.ts",
  "random.ts",
  "sha256.ts",
  "runtime/executor.ts",
];

/** Packages that users install themselves if they want what needs them; the code says so where they are missing. */
const OPTIONAL_PACKAGES = ["gpt-tokenizer", "onnxruntime-web"];

interface Import {
  /** Path below src. */
  readonly from: string;
  /** A path below src, or the name of a package. */
  readonly to: string;
  readonly isInternal: boolean;
  readonly isType: boolean;
}

const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[^;"]*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm;

function importsOf(file: string): Import[] {
  const text = readFileSync(path.join(ROOT, "src", file), "utf8");
  return [...text.matchAll(STATEMENT)].map(([, type, fixed, dynamic]) => {
    const target = fixed ?? dynamic!;
    const isInternal = target.startsWith(".");
    const to = isInternal ? path.posix.join(path.posix.dirname(file), target) : target;
    return { from: file, to, isInternal, isType: type !== undefined };
  });
}

const files = (readdirSync(path.join(ROOT, "src"), { recursive: true }) as string[])
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.includes("testing/"));
const imports = files.flatMap(importsOf);
const internal = imports.filter(({ isInternal }) => isInternal);
const external = imports.filter(({ isInternal }) => !isInternal);

const roomOf = (file: string): string => file.split("/")[0]!.replace(/\.ts$/, "");
const shown = ({ from, to }: Import): string => `${from} -> ${to}`;

test("every import statement is found", () => {
  // The reading above is by pattern: a statement in a form it does not know would go unseen.
  for (const file of files) {
    const lines = readFileSync(path.join(ROOT, "src", file), "utf8").split("\n");
    const quoted = lines.filter(
      (line) => /^(import|export|\}).*["'][^"']+["'];?$/.test(line) && / from |^import "/.test(line),
    );
    expect(importsOf(file).length, file).toBeGreaterThanOrEqual(quoted.length);
  }
});

test("every imported file is there", () => {
  expect(internal.filter(({ to }) => !files.includes(to)).map(shown)).toEqual([]);
});

test("rooms import only rooms above them", () => {
  const names = Object.keys(ROOMS);
  for (const [i, name] of names.entries()) {
    for (const imported of ROOMS[name]!) {
      expect(names.slice(0, i), `${name} imports ${imported}`).toContain(imported.replace("types of ", ""));
    }
  }
});

test("every room is in the table", () => {
  expect([...new Set(files.map(roomOf))].filter((room) => ROOMS[room] === undefined)).toEqual([]);
});

test("imports keep to the table", () => {
  const strays = internal.filter(({ from, to, isType }) => {
    const [room, other] = [roomOf(from), roomOf(to)];
    const allowed = ROOMS[room] ?? [];
    return room !== other && !allowed.includes(other) && !(isType && allowed.includes(`types of ${other}`));
  });
  expect(strays.map(shown)).toEqual([]);
});

test("what runs anywhere imports neither Node nor ONNX Runtime", () => {
  const isPortable = (file: string) => PORTABLE.some((prefix) => file.startsWith(prefix));
  const strays = external.filter(({ from, to }) => isPortable(from) && /^(node:|onnxruntime)/.test(to));
  expect(strays.map(shown)).toEqual([]);
  const leaks = internal.filter(({ from, to, isType }) => isPortable(from) && !isPortable(to) && !isType);
  expect(leaks.map(shown)).toEqual([]);
});

test("what a browser loads imports neither Node nor its ONNX Runtime", () => {
  const reached = new Set(["browser.ts"]);
  // A set is walked in the order of its growth: what is found is looked into as well.
  for (const file of reached) {
    for (const { from, to, isType } of internal) if (from === file && !isType) reached.add(to);
  }
  expect(reached.size).toBeGreaterThan(80);
  const strays = external.filter(({ from, to }) => reached.has(from) && /^(node:|onnxruntime-node)/.test(to));
  expect(strays.map(shown)).toEqual([]);
});

test("only the runtimes import ONNX Runtime", () => {
  const users = external.filter(({ to, isType }) => to.startsWith("onnxruntime") && !isType);
  expect(users.map(shown)).toEqual([
    "runtime/node.ts -> onnxruntime-node",
    "runtime/web.ts -> onnxruntime-web/webgpu",
    "runtime/web.ts -> onnxruntime-web/wasm",
  ]);
});

test("every package that is imported is a dependency", () => {
  const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
  const known = [...Object.keys(dependencies), ...OPTIONAL_PACKAGES];
  const nameOf = (target: string) => target.split("/", target.startsWith("@") ? 2 : 1).join("/");
  const strays = external.filter(({ to }) => !to.startsWith("node:") && !known.includes(nameOf(to)));
  expect(strays.map(shown)).toEqual([]);
});

test("the page takes nothing from src that needs Node", () => {
  const page = readdirSync(path.join(ROOT, "web/app"), { recursive: true, encoding: "utf8" }).filter(
    (name) => /\.tsx?$/.test(name) && !name.includes(".test."),
  );
  const taken = page.flatMap((name) => {
    const text = readFileSync(path.join(ROOT, "web/app", name), "utf8");
    const statements = [...text.matchAll(STATEMENT)].filter(([, type]) => type === undefined);
    return statements.flatMap(([, , fixed = ""]) => /^(?:\.\.\/)+src\/(.*)$/.exec(fixed)?.[1] ?? []);
  });
  expect(taken).toContain("ui/tableCodec.ts");
  // With all that these bring along.
  const reached = new Set(taken);
  for (const file of reached) {
    for (const { from, to, isType } of internal) if (from === file && !isType) reached.add(to);
  }
  const strays = external.filter(
    ({ from, to, isType }) => reached.has(from) && !isType && /^(node:|onnxruntime)/.test(to),
  );
  expect(strays.map(shown)).toEqual([]);
});
