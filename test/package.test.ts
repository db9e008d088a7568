import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { type CliResult, ROOT, start } from "./support/cli.ts";

const SCRIPT = `
import { findPreset, forwardFlops, graph, modelSchema, nodeRuntime, resolveConfig, totalFlops } from "mixture-of-depths";
import { prepareTexts } from "mixture-of-depths/browser";
const { model } = resolveConfig(findPreset("tiny").config);
const x = graph.input("float32", [2]);
const executor = await nodeRuntime({ threads: 1 }).compile({ name: "add", inputs: { x }, outputs: { y: graph.add(x, x) } });
const { y } = await executor.run({ x: { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } });
const { train } = await prepareTexts([{ name: "a", text: "kings" }], { tokenizer: { kind: "bytes" }, validationFraction: 0.4 });
console.log(train.tokens, totalFlops(forwardFlops(modelSchema.parse({ ...model, vocabSize: 512 }))) > 0, [...y.data]);
`;

const project = mkdtempSync(path.join(tmpdir(), "mod-package-"));
afterAll(() => rmSync(project, { recursive: true, force: true }));

const file = (...names: string[]) => path.join(project, ...names);

async function ok(command: string, ...args: string[]): Promise<CliResult> {
  const result = await start(command, args, { cwd: project }).result;
  if (result.code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${result.stdout}${result.stderr}`);
  return result;
}

/** Packs the package and lays it out as npm would, its dependencies being links to ours: no network. */
async function install(): Promise<{ readonly name: string; readonly files: string[] }> {
  // The global setup has built it.
  const packed = await ok("npm", "pack", ROOT, "--ignore-scripts", "--json", "--pack-destination", project);
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
  await ok("tar", "-xzf", filename);
  const { name, dependencies, bin } = JSON.parse(readFileSync(file("package", "package.json"), "utf8"));
  writeFileSync(file("package.json"), '{ "private": true }');
  mkdirSync(file("node_modules", ".bin"), { recursive: true });
  for (const dependency of Object.keys(dependencies)) link(path.join(ROOT, "node_modules", dependency), dependency);
  await ok("mv", "package", path.join("node_modules", name));
  for (const [command, target] of Object.entries<string>(bin)) {
    const program = file("node_modules", name, target);
    chmodSync(program, 0o755);
    link(program, path.join(".bin", command));
  }
  return { name, files: files.map((entry) => entry.path) };
}

function link(target: string, name: string): void {
  mkdirSync(path.dirname(file("node_modules", name)), { recursive: true });
  symlinkSync(target, file("node_modules", name));
}

test("the packed package installs and runs", async () => {
  const { name, files } = await install();
  expect(name).toBe("mixture-of-depths");
  expect(files).toContain("dist/index.d.ts");
  expect(files).toContain("dist/web/index.html");
  // The page trains and samples by what comes along; the whole corpus is in a dependency, which mod ui serves.
  expect(files.filter((entry) => entry.startsWith("dist/web/engine/")).sort()).toEqual([
    "dist/web/engine/ort-wasm-simd-threaded.asyncify.mjs",
    "dist/web/engine/ort-wasm-simd-threaded.asyncify.wasm",
    "dist/web/engine/ort-wasm-simd-threaded.mjs",
    "dist/web/engine/ort-wasm-simd-threaded.wasm",
    "dist/web/engine/sotu-recent.json",
  ]);
  for (const peer of ["protocol", "probe", "pytorch_step", "pytorch_decode", "jax_step"])
    expect(files).toContain(`bench/peers/${peer}.py`);
  expect(files.filter((entry) => /\.test\.|testing\/|^src\/|^test\//.test(entry))).toEqual([]);

  const help = await ok("npx", "--offline", "mod", "--help");
  expect(help.stdout).toContain("Usage: mod [options] [command]");
  await ok("npx", "--offline", "mod", "flops", "--preset", "tiny", "--json");
  await ok("npx", "--offline", "mod", "bench", "train", "--shapes", "tiny", "--steps", "1", "--json");

  writeFileSync(file("script.mjs"), SCRIPT);
  expect((await ok(process.execPath, "script.mjs")).stdout).toBe("4 true [ 2, 4 ]\n");

  // The documents and pictures that came along are those that package.json names.
  expect(readdirSync(file("node_modules", name)).sort()).toEqual(
    [...new Set(files.map((entry) => entry.split("/")[0]!))].sort(),
  );
});
