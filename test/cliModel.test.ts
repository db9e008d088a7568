import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mod, modJson, modOk, shortTraining, someText, startMod, workFolder } from "./support/cli.ts";

const RULES = ["topk", "predictor", "auxiliary", "through", "around", "random", "token", "dense"];
const folder = workFolder();
const cwd = folder.dir;
const one = ["--threads", "1"];

interface RuleResult {
  lossNats: number;
  bitsPerByte: number;
  capacityByLayer: number[];
}
interface Evaluation {
  tokens: number;
  bytes: number;
  rules: Record<string, RuleResult | null>;
}
interface ScoredToken {
  id: number;
  text: string;
  lossNats: Record<string, number>;
  routed: Record<string, number[]>;
}
interface Sample {
  text: string;
  tokens: number[];
  routedLayers: number[][];
  logProbabilities: number[];
  alternatives?: { id: number; logProbability: number }[][];
  firstTokenMs: number;
  capacityByLayer: Record<string, number>;
  completions?: Sample[];
}

const file = (name: string) => path.join(cwd, name);

beforeAll(async () => {
  await modOk(shortTraining(8, "train.checkpoint.every=4", "--out", "run"), { cwd });
  await modOk(["train", "--preset", "tiny-dense", ...shortTraining(2, "--out", "dense").slice(3)], { cwd });
  writeFileSync(file("short.txt"), "hi");
  writeFileSync(file("long.txt"), someText(99, 300));
  writeFileSync(file("empty.txt"), "");
});
afterAll(() => folder.remove());

describe("mod eval", () => {
  test("prints a table for people, and nothing on standard output beside one document with --json", async () => {
    const people = await modOk(["eval", "run", "--max-tokens", "128", ...one], { cwd });
    expect(people.stdout).toMatch(/^\d+ tokens, \d+ bytes\nrule +nats\/token +bits\/byte/);
    const { stdout, stderr } = await modOk(["eval", "run", "--max-tokens", "128", "--json", ...one], { cwd });
    expect(stderr).toContain(people.stdout);
    const document: Evaluation = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual(["tokens", "bytes", "rules"]);
    expect(Object.keys(document.rules)).toEqual(RULES);
    expect(document.rules.dense).toBeNull();
    for (const rule of RULES.slice(0, -2)) {
      const result = document.rules[rule]!;
      for (const key of ["accuracy", "precision", "recall", "f1"]) expect(result).toHaveProperty(key);
      expect(result.capacityByLayer).toHaveLength(4);
      const nats = result.bitsPerByte * document.bytes * Math.LN2;
      expect(nats).toBeCloseTo(result.lossNats * document.tokens, 4);
    }
    expect(document.rules.through!.capacityByLayer).toEqual([1, 1, 1, 1]);
    expect(document.rules.around!.capacityByLayer).toEqual([1, 0, 1, 0]);
  });

  test("scores a text of fewer tokens than 1 / capacityRatio: one is routed", async () => {
    const { tokens, bytes, rules }: Evaluation = await modJson(["eval", "run", "--data", "short.txt", ...one], { cwd });
    expect(bytes).toBe(2);
    expect(tokens).toBeLessThan(8);
    expect(rules.topk!.capacityByLayer).toEqual([1, 1 / tokens, 1, 1 / tokens]);
  });

  test("scores every token of a text longer than the context once", async () => {
    const args = ["eval", "run", "--data", "long.txt", "--per-token", ...one];
    const document: Evaluation & { tokens: ScoredToken[]; tokenCount: number } = await modJson(args, { cwd });
    const text = readFileSync(file("long.txt"), "utf8");
    expect(Object.keys(document).sort()).toEqual(["bytes", "rules", "tokenCount", "tokens"]);
    expect(document.tokenCount).toBeGreaterThan(64);
    expect(document.tokens).toHaveLength(document.tokenCount);
    expect(document.bytes).toBe(Buffer.byteLength(text));
    expect(document.tokens.map((token) => token.text).join("")).toBe(text);
    for (const rule of RULES.slice(0, -2)) {
      const mean = document.tokens.reduce((sum, { lossNats }) => sum + lossNats[rule]!, 0) / document.tokenCount;
      expect(mean).toBeCloseTo(document.rules[rule]!.lossNats, 5);
      const routed = document.tokens.filter((token) => token.routed[rule]!.includes(1)).length;
      expect(routed / document.tokenCount).toBeCloseTo(document.rules[rule]!.capacityByLayer[1]!, 10);
    }
    for (const { routed } of document.tokens) expect(routed.through).toEqual([1, 3]);
  });

  test("prints a line for each token for people", async () => {
    const { stdout } = await modOk(["eval", "run", "--data", "short.txt", "--per-token", ...one], { cwd });
    expect(stdout).toMatch(/^"h"\ttopk \d+\.\d{3} \[[13 ]*\]\tpredictor /m);
  });

  test("has only the rule dense for a dense model", async () => {
    const { rules }: Evaluation = await modJson(["eval", "dense", "--data", "short.txt", ...one], { cwd });
    expect(RULES.filter((rule) => rules[rule] !== null)).toEqual(["dense"]);
  });

  test("refuses the validation part of a text that has changed since: its tokens would be others", async () => {
    writeFileSync(file("changing.txt"), someText(7));
    await modOk(shortTraining(2, "--data", "changing.txt", "--out", "changing"), { cwd });
    writeFileSync(file("changing.txt"), someText(8));
    const { code, stderr } = await mod(["eval", "changing", ...one], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("must be scored on text in its own tokenizer");
  });

  test("refuses an empty text", async () => {
    const { code, stderr } = await mod(["eval", "run", "--data", "empty.txt", ...one], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("mod: evaluate: the text must have at least one token");
  });
});

describe("mod sample", () => {
  const sample = (...more: string[]): Promise<Sample> =>
    modJson(["sample", "run", "--prompt", "the state", "--tokens", "12", ...one, ...more], { cwd });

  test("gives the same text for the same seed, and another for another", async () => {
    const [first, again, other] = [
      await sample("--seed", "1"),
      await sample("--seed", "1"),
      await sample("--seed", "2"),
    ];
    expect(again.text).toBe(first.text);
    expect(again.tokens).toEqual(first.tokens);
    expect(other.tokens).not.toEqual(first.tokens);
  });

  test("prints one document with --json", async () => {
    const document = await sample();
    expect(document).toMatchObject({ prompt: "the state", tokensPerSecond: expect.any(Number) });
    expect(document.tokens.length).toBeLessThanOrEqual(12);
    expect(document.routedLayers).toHaveLength(document.tokens.length);
    expect(document.logProbabilities).toHaveLength(document.tokens.length);
    expect(Math.max(...document.logProbabilities)).toBeLessThanOrEqual(0);
  });

  test("takes the most likely token at temperature 0, whatever the seed", async () => {
    const greedy = await sample("--temperature", "0", "--seed", "1");
    expect((await sample("--temperature", "0", "--seed", "2")).tokens).toEqual(greedy.tokens);
    expect((await sample("--top-k", "1", "--seed", "3")).tokens).toEqual(greedy.tokens);
  });

  test("generates several texts together, the k-th of which is what seed + k gives alone", async () => {
    const { completions = [] } = await sample("--n", "3", "--seed", "5");
    const alone = [await sample("--seed", "5"), await sample("--seed", "6"), await sample("--seed", "7")];
    expect(completions.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
  });

  test("tells speed, realised capacity of each routed layer, and likely tokens", async () => {
    const document = await sample("--logprobs", "3", "--weights", "int8");
    expect(document.firstTokenMs).toBeGreaterThan(0);
    expect(Object.keys(document.capacityByLayer)).toEqual(["1", "3"]);
    const count = document.routedLayers.filter((layers) => layers.includes(1)).length;
    expect(document.capacityByLayer["1"]).toBeCloseTo(count / document.tokens.length, 10);
    for (const likely of document.alternatives!) {
      expect(likely).toHaveLength(3);
      expect(likely[0]!.logProbability).toBeGreaterThanOrEqual(likely[1]!.logProbability);
    }
  });

  test("a stop string ends the text before it", async () => {
    const { text } = await sample("--seed", "1");
    const stopped = await sample("--seed", "1", "--stop", text.slice(3, 5));
    expect(stopped).toMatchObject({ text: text.slice(0, text.indexOf(text.slice(3, 5))), finish: "stop" });
  });

  test("marks tokens by routing, and continues lines interactively", async () => {
    const args = ["sample", "run", "--tokens", "4", ...one];
    const { stdout } = await modOk([...args, "--routing"], { cwd });
    expect(stdout).toContain("The number behind a token: how many of the 2 routed layers");
    const input = "the state\n/tokens 2\n/temperature hot\nthe state\n/quit\nnever read\n";
    const talk = await mod([...args, "--interactive", "--temperature", "0"], { cwd, input });
    const { code, stdout: texts, stderr } = talk;
    expect(code).toBe(0);
    const [long, short] = texts.trimEnd().split(/\n(?=the state)/);
    expect(long!.startsWith(short!.trimEnd())).toBe(true);
    expect(stderr).toContain("temperature must be a number of at least 0");
    expect(texts).not.toContain("never read");
  });

  test("prints prompt and text for people, and works from no prompt", async () => {
    const { stdout } = await modOk(["sample", "run", "--prompt", "the state", "--tokens", "3", ...one], { cwd });
    expect(stdout).toMatch(/^the state/);
    await modOk(["sample", "run", "--tokens", "2", ...one], { cwd });
  });

  test("ends on Ctrl-C with 130 and what it has", async () => {
    const running = startMod(
      ["sample", "run", "--tokens", "100000", "--temperature", "0", "--prompt", "union", ...one],
      { cwd },
    );
    await running.until(/union./);
    running.child.kill("SIGINT");
    const { code, stdout } = await running.result;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^union[\s\S]*\n$/);
  });

  test.each([
    ["--top-p", "0", "must be a number above 0, up to 1"],
    ["--repetition-penalty", "0", "must be a number from 0.000001 to 1000000"],
    ["--min-p", "1.5", "must be a number from 0 to 1"],
  ])("refuses %s %s before it opens a model", async (option, value, rule) => {
    const { code, stderr } = await mod(["sample", "nowhere", option, value], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain(`mod: ${option}: ${rule}, got "${value}"`);
  });

  test("refuses a rule that the model was not trained for", async () => {
    const { code, stderr } = await mod(["sample", "dense", "--rule", "predictor", ...one], { cwd });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^mod: rule: .* must be trained with a predictor/);
  });
});

describe("mod inspect", () => {
  const TEXT = "the state of our union";

  test("draws the map as SVG and PNG, into folders that are not there yet", async () => {
    const args = ["inspect", "run", "--text", TEXT, "--out", "maps/a.svg", "maps/a.png", ...one];
    const { stderr } = await modOk(args, { cwd });
    expect(stderr).toContain("drawn: maps/a.svg\ndrawn: maps/a.png\n");
    expect(readFileSync(file("maps/a.svg"), "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
    expect(readFileSync(file("maps/a.png")).subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  });

  test("--plain is ASCII without escape codes", async () => {
    const args = ["inspect", "run", "--text", TEXT, "--rule", "topk", ...one];
    const plain = await modOk([...args, "--plain"], { cwd });
    expect(plain.stdout).toMatch(/^[\x20-\x7e\n]+$/);
    const piped = await modOk(args, { cwd });
    expect(piped.stdout).not.toContain("\x1b");
  });

  test("prints one document with --json", async () => {
    const document: { tokens: string[]; layers: { index: number; kind: string; routedThrough: boolean[] }[] } =
      await modJson(["inspect", "run", "--text", TEXT, "--rule", "through", ...one], { cwd });
    expect(document).toMatchObject({ rule: "through", step: expect.any(Number) });
    expect(document.tokens.join("")).toBe(`<|endoftext|>${TEXT}`);
    expect(document.layers.map(({ kind }) => kind)).toEqual(["dense", "mod", "dense", "mod"]);
    for (const { routedThrough } of document.layers) expect(routedThrough).toEqual(document.tokens.map(() => true));
  });

  test("reads a text longer than the context", async () => {
    const text = someText(5, 200);
    const { tokens }: { tokens: string[] } = await modJson(["inspect", "run", "--text", text, ...one], { cwd });
    expect(tokens.join("")).toBe(`<|endoftext|>${text}`);
  });
});

describe("a folder that is no whole run", () => {
  test.each([["eval"], ["sample"], ["inspect", "--text", "x"]])("mod %s", async (command, ...more) => {
    const missing = await mod([command!, "nowhere", ...more], { cwd });
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toMatch(/^mod: openRun: nowhere must be a run folder, got nothing there/);
    const other = await mod([command!, "texts", ...more], { cwd });
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/^mod: openRun: texts must be a run folder/);
  });

  test("a damaged checkpoint is named, and another one used", async () => {
    cpSync(file("run"), file("damaged"), { recursive: true });
    const checkpoints = readdirSync(file("damaged/checkpoints")).sort();
    expect(checkpoints.length).toBeGreaterThan(1);
    const newest = path.join("damaged", "checkpoints", checkpoints.at(-1)!);
    for (const name of readdirSync(file(newest))) {
      if (name.endsWith(".safetensors")) truncateSync(file(path.join(newest, name)), 100);
    }
    const { stderr } = await modOk(["sample", "damaged", "--tokens", "1", "--checkpoint", "latest", ...one], { cwd });
    expect(stderr).toMatch(/^skipped .*damaged.checkpoints/m);
  });

  test("a run without a checkpoint", async () => {
    mkdirSync(file("untrained"));
    for (const name of ["config.json", "tokenizer.json"]) {
      writeFileSync(file(`untrained/${name}`), readFileSync(file(`run/${name}`)));
    }
    const { code, stderr } = await mod(["eval", "untrained"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("must have a checkpoint, got none; train it first");
    expect(existsSync(file("untrained/run.lock"))).toBe(false);
  });
});
