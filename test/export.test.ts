import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeSafetensors } from "../src/run/safetensors.ts";
import { mod, modJson, modOk, ROOT, shortTraining, start, workFolder } from "./support/cli.ts";
import { pythonWith, runPython } from "./support/python.ts";

const folder = workFolder();
const cwd = folder.dir;
const one = ["--threads", "1"];
const file = (...names: string[]) => path.join(cwd, ...names);
const text = (...names: string[]) => readFileSync(file(...names), "utf8");

interface Exported {
  readonly dir: string;
  readonly format: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly rule: string | null;
  readonly quantization: string | null;
  readonly bitsPerByte: { readonly before: number | null; readonly after: number | null };
}

const json = <T>(args: readonly string[]): Promise<T> => modJson(args, { cwd });
const exportOf = (run: string, out: string, ...more: string[]): Promise<Exported> =>
  json(["export", run, "--out", out, ...one, ...more]);

/** Runs of each kind, by their preset. */
const RUNS = { mod: "tiny", dense: "tiny-dense", random: "tiny-random" } as const;

beforeAll(async () => {
  for (const [run, preset] of Object.entries(RUNS)) {
    await modOk(["train", "--preset", preset, ...shortTraining(run === "mod" ? 60 : 4, "--out", run).slice(3)], {
      cwd,
    });
  }
  await exportOf("mod", "onnx");
  await exportOf("dense", "dense-onnx");
  await exportOf("random", "random-onnx");
  await exportOf("mod", "weights", "--format", "safetensors", "--checkpoint", "latest");
});
afterAll(() => folder.remove());

describe("mod export", () => {
  test("prints one document with --json, and a table for people", async () => {
    const document = await exportOf("mod", "document");
    expect(document).toEqual({
      ...{ dir: "document", format: "onnx", rule: "predictor", quantization: null },
      bitsPerByte: { before: null, after: null },
      files: readdirSync(file("document")).map((name) => ({
        name,
        bytes: readFileSync(file("document", name)).length,
      })),
    });
    const names = ["README.md", "forward.onnx", "model.json", "step.onnx", "tokenizer.json"];
    expect(document.files.map(({ name }) => name)).toEqual(names);
    const { stdout } = await modOk(["export", "mod", "--out", "people", ...one], { cwd });
    expect(stdout).toMatch(/^file +bytes\n/);
    for (const name of names) expect(stdout).toContain(path.join("people", name));
    expect(JSON.parse(text("document", "tokenizer.json"))).toEqual(JSON.parse(text("mod", "tokenizer.json")));
  });

  test("tells the loss that quantising costs, as mod eval measures it", async () => {
    const { rules } = await json<{ rules: Record<string, { bitsPerByte: number }> }>(["eval", "mod", ...one]);
    for (const weights of ["int8", "int4"]) {
      const { bitsPerByte, quantization } = await exportOf("mod", weights, "--quantize", weights);
      expect(quantization).toBe(weights);
      expect(bitsPerByte.before).toBeCloseTo(rules.predictor!.bitsPerByte, 6);
      expect(Math.abs(bitsPerByte.after! - bitsPerByte.before!)).toBeLessThan(weights === "int8" ? 0.01 : 0.2);
      expect(bitsPerByte.after).not.toBe(bitsPerByte.before);
      const model = JSON.parse(text(weights, "model.json"));
      expect(model).toMatchObject({ bitsPerByte, target: "onnxruntime", quantization: { format: weights } });
      expect(text(weights, "README.md")).toContain(`${bitsPerByte.after!.toFixed(4)} after`);
    }
  });

  test("says so where the run's text is gone", async () => {
    cpSync(file("mod"), file("orphan"), { recursive: true });
    const config = JSON.parse(text("orphan", "config.json"));
    config.data.sources = [file("gone.txt")];
    writeFileSync(file("orphan", "config.json"), JSON.stringify(config));
    const args = ["export", "orphan", "--out", "orphaned", "--quantize", "int8", "--json", ...one];
    const { stdout, stderr } = await modOk(args, { cwd });
    expect(stderr).toMatch(/loss not measured: .*gone\.txt/);
    expect(JSON.parse(stdout).bitsPerByte).toEqual({ before: null, after: null });
    expect(text("orphaned", "README.md")).toContain("not measured");
  });

  test("takes any causal rule the model was trained for", async () => {
    expect((await exportOf("mod", "auxiliary", "--rule", "auxiliary")).rule).toBe("auxiliary");
    expect(JSON.parse(text("dense-onnx", "model.json")).rule).toBe("dense");
    expect(JSON.parse(text("random-onnx", "model.json")).rule).toBe("random");
    const { code, stderr } = await mod(["export", "dense", "--out", "x", "--rule", "predictor"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("must be trained with a predictor");
  });

  test("replaces only an earlier export, with --force", async () => {
    const again = ["export", "mod", "--out", "onnx", ...one];
    expect((await mod(again, { cwd })).stderr).toMatch(/must be new or empty, got an export; .*--force/);
    await modOk([...again, "--force"], { cwd });
    const other = await mod(["export", "mod", "--out", "texts", "--force"], { cwd });
    expect(other).toMatchObject({ code: 1, stdout: "" });
    expect(other.stderr).toContain("must be new, empty or an earlier export");
  });

  test("refuses what safetensors cannot hold", async () => {
    const args = [
      "export",
      "mod",
      "--out",
      "x",
      "--format",
      "safetensors",
      "--quantize",
      "int8",
      "--target",
      "standard",
    ];
    const { code, stderr } = await mod(args, { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--quantize is for --format onnx: safetensors have no type for blocks/);
    expect(stderr).toContain("--target is for --format onnx");
  });
});

describe("examples/decode.mjs", () => {
  const example = path.join(ROOT, "examples/decode.mjs");
  const decode = (...args: string[]) => start(process.execPath, [example, ...args], { cwd }).result;

  test.each(["standard", "onnxruntime"])("draws the tokens that mod sample draws, %s", async (target) => {
    await exportOf("mod", `decode-${target}`, "--target", target);
    const { stdout, stderr } = await decode(`decode-${target}`, "0", "40");
    const sampling = ["sample", "mod", "--temperature", "0", "--tokens", "40", ...one];
    const sampled = await json<{ tokens: number[]; text: string }>(sampling);
    expect(stderr).toMatch(/\n\d+\.\d tokens\/s\n$/);
    expect(stderr).toContain(`tokens: ${sampled.tokens.join(" ")}\n`);
    expect(stdout).toBe(sampled.text);
  });

  test("goes on from the ids of a prompt, draws by chance, and ends with the context", async () => {
    for (const dir of ["onnx", "dense-onnx", "random-onnx"]) {
      const { code, stderr } = await decode(dir, "1", "1000", "5", "6", "7");
      expect(code, stderr).toBe(0);
      const tokens = /tokens: (.*)\n/.exec(stderr)![1]!.split(" ").map(Number);
      const { contextLength, config, endOfText } = JSON.parse(text(dir, "model.json"));
      for (const token of tokens) expect(token).toBeLessThan(config.vocabSize);
      if (tokens.at(-1) !== endOfText) expect(tokens).toHaveLength(contextLength + 1 - 3);
    }
  });
});

describe("safetensors", () => {
  const weights = () => decodeSafetensors(readFileSync(file("weights", "model.safetensors")));

  test("hold the checkpoint's weights, with configuration and tokenizer beside", () => {
    const [checkpoint] = readdirSync(file("mod", "checkpoints")).sort().reverse();
    const saved = decodeSafetensors(readFileSync(file("mod", "checkpoints", checkpoint!, "weights.safetensors")));
    expect(weights().arrays).toEqual(saved.arrays);
    expect(JSON.parse(text("weights", "config.json"))).toEqual(JSON.parse(text("onnx", "model.json")).config);
    expect(readdirSync(file("weights")).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  });

  const python = pythonWith("safetensors", "numpy");
  test.skipIf(python === undefined)("are read by the Python package (needs Python with safetensors)", () => {
    const code = `
import json, sys
from safetensors.numpy import load_file
print(json.dumps({name: [list(x.shape), x.dtype.name, float(x.flat[0]), float(x.flat[-1])]
                  for name, x in load_file(sys.argv[1]).items()}))`;
    const read = JSON.parse(runPython(python!, code, [file("weights", "model.safetensors")], cwd));
    const expected = [...weights().arrays].map(([name, { shape, data }]) => {
      return [name, [shape, "float32", data[0], data.at(-1)]];
    });
    expect(read).toEqual(Object.fromEntries(expected));
  });
});

test("docs/EXPORT.md names every operator that only ONNX Runtime has", () => {
  const operations = readdirSync(path.join(ROOT, "src/graph/ops")).map((name) =>
    readFileSync(path.join(ROOT, "src/graph/ops", name), "utf8"),
  );
  const own = operations.flatMap((source) =>
    [...source.matchAll(/add\("(\w+)"[^;]*?domain: MICROSOFT/g)].map(([, name]) => name!),
  );
  expect(own.sort()).toEqual(["FastGelu", "FusedMatMul", "MatMulNBits", "QuickGelu", "RotaryEmbedding"]);
  const document = readFileSync(path.join(ROOT, "docs/EXPORT.md"), "utf8");
  for (const name of [...own, "SimplifiedLayerNormalization"]) expect(document).toContain(`\`${name}\``);
});

describe("other tools", () => {
  const checker = pythonWith("onnx");
  test.skipIf(checker === undefined)("onnx.checker accepts the files (needs Python with onnx)", async () => {
    const dirs = ["onnx", "standard-int8", "dense-onnx", "random-onnx"];
    await exportOf("mod", "standard-int8", "--quantize", "int8", "--target", "standard", "--max-tokens", "64");
    const paths = dirs.flatMap((dir) => ["forward.onnx", "step.onnx"].map((name) => file(dir, name)));
    const code = `
import sys, onnx
for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    names = {x.name for x in model.graph.initializer}
    print([(o.domain, o.version) for o in model.opset_import], "layers.0.attentionNorm" in names)`;
    const lines = runPython(checker!, code, paths, cwd).trim().split("\n");
    expect(lines).toEqual(paths.map(() => "[('', 17)] True"));
  });

  const python = pythonWith("onnxruntime", "numpy");
  const name = "the README's Python program draws the tokens that mod sample draws (needs Python with onnxruntime)";
  test.skipIf(python === undefined)(name, async () => {
    const code = /```python\n([\s\S]*?)```/.exec(text("onnx", "README.md"))![1]!;
    const printed = JSON.parse(runPython(python!, code, [], file("onnx"))) as number[];
    const { tokens } = await json<{ tokens: number[] }>([
      "sample",
      "mod",
      "--temperature",
      "0",
      "--tokens",
      "49",
      ...one,
    ]);
    const { endOfText } = JSON.parse(text("onnx", "model.json"));
    expect(printed).toEqual([endOfText, ...tokens.filter((token) => token !== endOfText)]);
  });
});
