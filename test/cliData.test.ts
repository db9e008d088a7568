import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { mod, modJson, modOk, shortTraining, someText, startMod, workFolder } from "./support/cli.ts";

const folder = workFolder();
const cwd = folder.dir;
afterAll(() => folder.remove());

const file = (name: string) => path.join(cwd, name);
const steps = (...more: string[]) => ["--threads", "1", "--set", "train.horizon.steps=2", "train.batchSize=2", ...more];

test("prepares a folder, which is trained on", async () => {
  const args = ["data", "prepare", "--data", "texts", "--vocab-size", "300", "--out", "prepared"];
  const { stdout, stderr } = await modOk([...args, "--json"], { cwd });
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({ dir: "prepared", tokenizer: { vocabSize: 300 }, splitBy: "document" });
  expect(document.train.documents + document.validation.documents).toBe(12);
  expect(stderr).toContain("vocabulary: 300; written to prepared");
  await modOk(["train", "--preset", "tiny", "--data", "prepared", "--out", "run", ...steps()], { cwd });
  const { model, data } = JSON.parse(readFileSync(file("run/config.json"), "utf8"));
  expect(model.vocabSize).toBe(300);
  expect(data.sources).toEqual([file("prepared")]);
  expect(existsSync(file(".mod"))).toBe(false);
});

test("refuses a folder that holds something", async () => {
  const { code, stderr } = await mod(["data", "prepare", "--data", "texts", "--out", "texts"], { cwd });
  expect(code).toBe(1);
  expect(stderr).toMatch(/mod: prepareData: outDir must not exist or be empty, got .*texts with 12 entries/);
});

test("trains a tokenizer, which is trained with", async () => {
  const args = ["tokenizer", "train", "--data", "texts", "--vocab-size", "280", "--out", "vocabularies/texts.json"];
  expect(await modJson(args, { cwd })).toMatchObject({ file: "vocabularies/texts.json", vocabSize: 280 });
  const change = ["data.tokenizer.kind=file", "data.tokenizer.path=vocabularies/texts.json"];
  await modOk(["train", "--preset", "tiny", "--data", "texts", "--out", "own", ...steps(...change)], { cwd });
  expect(JSON.parse(readFileSync(file("own/config.json"), "utf8")).model.vocabSize).toBe(280);
  const [ours, trained] = ["vocabularies/texts.json", "own/tokenizer.json"].map((name) =>
    JSON.parse(readFileSync(file(name), "utf8")),
  );
  expect(trained).toEqual(ours);
  const prepared = [
    "data",
    "prepare",
    "--data",
    "texts",
    "--tokenizer",
    "vocabularies/texts.json",
    "--out",
    "with-own",
  ];
  expect(await modJson(prepared, { cwd })).toMatchObject({ tokenizer: { vocabSize: 280 } });
});

test("reads standard input", async () => {
  const args = ["data", "prepare", "--data", "-", "--tokenizer", "bytes", "--out", "from-input"];
  const { stdout } = await modOk([...args, "--json"], { cwd, input: someText(1) });
  expect(JSON.parse(stdout)).toMatchObject({ splitBy: "position", tokenizer: { kind: "bytes", vocabSize: 257 } });
  expect(readdirSync(file("from-input")).sort()).toEqual([
    "data.json",
    "tokenizer.json",
    "train.tokens",
    "validation.tokens",
  ]);
});

test("refuses standard input for training, which may have to read it again", async () => {
  const { code, stderr } = await mod(["train", "--preset", "tiny", "--data", "-"], { cwd, input: "text" });
  expect(code).toBe(1);
  expect(stderr).toContain(
    "mod: data: standard input can be read only once; run `mod data prepare --data - --out DIR`",
  );
});

test("reads the column that is named", async () => {
  writeFileSync(file("some.jsonl"), `${[1, 2, 3].map((i) => JSON.stringify({ body: someText(i, 50) })).join("\n")}\n`);
  const args = ["data", "prepare", "--data", "some.jsonl", "--tokenizer", "bytes"];
  const bad = await mod([...args, "--out", "column"], { cwd });
  expect(bad.code).toBe(1);
  expect(bad.stderr).toContain('must hold a string in the field "text", got fields body');
  await modOk([...args, "--text-column", "body", "--out", "column"], { cwd });
});

test("Ctrl-C while data is prepared leaves nothing that stops the next call", async () => {
  const args = ["data", "prepare", "--vocab-size", "300", "--out", "interrupted"];
  const running = startMod(args, { cwd });
  await running.until(/^words /m);
  running.child.kill("SIGINT");
  expect((await running.result).code).not.toBe(0);
  expect(existsSync(file("interrupted"))).toBe(false);
  expect(await modJson(args, { cwd })).toMatchObject({ train: { documents: expect.any(Number) } });
});

test("Ctrl-C while a training prepares its data: the same call trains", async () => {
  const args = ["train", "--preset", "tiny", "--out", "retried", ...steps("data.tokenizer.vocabSize=300")];
  const running = startMod(args, { cwd });
  await running.until(/^(words|vocabulary) /m);
  running.child.kill("SIGINT");
  expect((await running.result).code).not.toBe(0);
  expect(existsSync(file("retried"))).toBe(false);
  await modOk(args, { cwd });
});

test("what is prepared once is not prepared again", async () => {
  const first = await modOk(shortTraining(1, "--out", "first"), { cwd });
  const second = await modOk(shortTraining(1, "--out", "second"), { cwd });
  expect(first.stderr).toMatch(/^vocabulary /m);
  expect(second.stderr).not.toMatch(/^(words|vocabulary|tokens) /m);
});

test("mod flops: components add up, and --set changes them", async () => {
  interface Flops {
    parameters: number;
    forward: Record<string, number>;
    training: Record<string, number>;
    denseTwin: { forward: Record<string, number>; training: Record<string, number> };
    ratioToDense: { forward: number };
  }
  const flops: Flops = await modJson(["flops", "--preset", "tiny"], { cwd });
  for (const counts of [flops.forward, flops.training, flops.denseTwin.forward, flops.denseTwin.training]) {
    const { total, ...components } = counts;
    expect(Object.keys(components)).toEqual(["projections", "attention", "mlp", "router", "predictor", "head"]);
    expect(Object.values(components).reduce((a, b) => a + b, 0)).toBe(total);
  }
  expect(flops.ratioToDense.forward).toBe(flops.forward.total! / flops.denseTwin.forward.total!);
  const wide: Flops = await modJson(["flops", "--preset", "tiny", "--set", "model.routing.capacityRatio=0.5"], { cwd });
  expect(wide.forward.mlp).toBeGreaterThan(flops.forward.mlp!);
  expect(wide.denseTwin).toEqual(flops.denseTwin);
  const people = await modOk(["flops", "--preset", "tiny"], { cwd });
  expect(people.stdout).toMatch(/^component +forward +share +training +forward, dense twin$/m);
});

const VARIANTS = ["mod", "dense", "random", "moe", "mode", "mode-integrated"];

test("mod presets lists every preset, each of which mod flops counts", async () => {
  const rows: { name: string; parameters: number; horizon: object }[] = await modJson(["presets"], { cwd });
  const sizes = ["tiny", "small", "base", "large"];
  expect(rows.map(({ name }) => name)).toEqual(
    sizes.flatMap((size) => VARIANTS.map((variant) => `${size}-${variant}`)),
  );
  const { stdout } = await modOk(["presets"], { cwd });
  expect(stdout.trim().split("\n")).toHaveLength(rows.length + 1);
  for (const { name, parameters } of rows.slice(0, VARIANTS.length)) {
    expect(await modJson(["flops", "--preset", name], { cwd })).toMatchObject({ parameters });
  }
});
