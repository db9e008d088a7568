import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { strToU8, unzipSync, zipSync } from "fflate";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type EvaluationResult,
  Inspector,
  type JsonObject,
  MemoryRun,
  type MetricsRecord,
  prepareTexts,
  type RunConfig,
  type RunFiles,
  type RunInput,
  resolveConfig,
  type StepRecord,
  TrainingRun,
} from "../../src/browser.ts";
import { exportSafetensors } from "../../src/export/exportSafetensors.ts";
import { expectClose } from "../../src/graph/testing/gradientCheck.ts";
import { readMetrics } from "../../src/run/metrics.ts";
import { openSavedModel } from "../../src/run/openSavedModel.ts";
import { nodeRuntime } from "../../src/runtime/node.ts";
import { generate } from "../../src/sample/generate.ts";
import type { TrainingEvent } from "../../web/engine/protocol.ts";
import { modJson, modOk, someText, workFolder } from "../support/cli.ts";
import type { Encoded, PageApi } from "./page/main.ts";
import { type EngineSite, hasChromium, startEngineSite } from "./site.ts";

/** Of two builds of one engine, whose sums differ in their order: a router weight close to another may then fall behind it. */
const TOLERANCE = 2e-4;

const TEXTS = Array.from({ length: 12 }, (_, i) => ({
  name: `${String(i).padStart(2, "0")}.txt`,
  text: someText(i, 400),
}));
const FILES = TEXTS.map(({ name, text }) => ({ name, content: text }));

const configOf = (steps: number, change: Partial<RunInput["train"]> = {}): RunInput => ({
  seed: 5,
  model: {
    seqLen: 32,
    nLayer: 4,
    dModel: 32,
    nHead: 2,
    pattern: ["dense", "mod"],
    routing: { kind: "learned", capacityRatio: 0.25 },
  },
  data: { tokenizer: { kind: "bpe", vocabSize: 320 }, validationFraction: 0.2 },
  train: {
    batchSize: 4,
    horizon: { kind: "steps", steps },
    evaluate: { every: 10, tokens: 512 },
    checkpoint: { every: 10 },
    ...change,
  },
});

/** The same run in Node, in memory. */
async function trainInNode(input: RunInput, threads: number): Promise<MemoryRun> {
  const config = resolveConfig(input);
  const { validationFraction, tokenizer, splitSeed: seed } = config.data;
  if (tokenizer.kind !== "bpe") throw new Error("these tests train their tokenizer");
  const data = await prepareTexts(TEXTS, { tokenizer, validationFraction, seed });
  const saved: RunConfig = { ...config, model: { ...config.model, vocabSize: data.tokenizer.vocabSize } };
  const tokenizerJson = JSON.stringify(data.tokenizer.toJson());
  const run = MemoryRun.create("node", { config: saved as unknown as JsonObject, tokenizerJson });
  const training = await TrainingRun.open({ store: run, config, data, runtime: nodeRuntime({ threads }) });
  for await (const _ of training.events());
  await training.close();
  return run;
}

const isStep = (record: MetricsRecord | TrainingEvent) => record.kind === "step";

/** Losses of steps and evaluations, in order. */
function lossesOf(records: readonly (MetricsRecord | TrainingEvent)[]): number[] {
  return records.flatMap((record) => {
    if (isStep(record)) {
      return Object.values((record as unknown as StepRecord).losses);
    }
    if (record.kind !== "evaluation") return [];
    const { rules } = record.result as unknown as EvaluationResult;
    return Object.values(rules).map((rule) => rule?.lossNats ?? 0);
  });
}

const encoded = (files: RunFiles): Encoded =>
  [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
const decoded = (files: Encoded): RunFiles =>
  new Map(files.map(([name, text]) => [name, new Uint8Array(Buffer.from(text, "base64"))]));

function writeFolder(dir: string, files: RunFiles): void {
  for (const [name, bytes] of files) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    writeFileSync(path.join(dir, name), bytes);
  }
}

describe.skipIf(!hasChromium())("the engine in a browser (needs Chromium)", () => {
  const folder = workFolder();
  let site: EngineSite;
  let page: Page;

  beforeAll(async () => {
    site = await startEngineSite();
    page = await site.open();
  });
  afterAll(async () => {
    await site?.close();
    folder.remove();
  });

  /** Calls the page: its types are those of the functions there. */
  function call<Name extends keyof PageApi>(
    name: Name,
    ...args: PageApi[Name] extends (...args: infer Args) => unknown ? Args : never
  ): Promise<PageApi[Name] extends (...args: never) => Promise<infer Result> ? Result : never> {
    return page.evaluate(
      ([method, list]) =>
        (globalThis as unknown as { api: Record<string, (...all: unknown[]) => never> }).api[method]!(...list),
      [name, args] as const,
    );
  }

  const newRun = (config: RunInput) => ({ kind: "new", config, text: { kind: "files", files: FILES } }) as const;

  describe("20 steps on WebAssembly give Node's losses, gradients and evaluations", () => {
    test.each([1, 2])("%i threads", async (threads) => {
      const { info, events } = await call("train", { threads }, { name: "run", run: newRun(configOf(20)) });
      expect(info).toEqual({ provider: "cpu", threads, notes: [] });
      expect(events.at(-1)).toEqual({ kind: "done", step: 20, steps: 20 });
      const node = await trainInNode(configOf(20), threads);
      expect(events.filter(isStep)).toHaveLength(20);
      expectClose(lossesOf(events), lossesOf(node.metrics), TOLERANCE, "losses");
    });
  });

  describe("a few steps on WebGPU, whose memory the state does not leave, give Node's losses and weights (needs WebGPU)", () => {
    test.each([1, 2])("%i batches to an update", async (accumulate) => {
      const config = configOf(4, { accumulate, evaluate: { every: 2, tokens: 256 } });
      const { info, events, files } = await call("train", { provider: "webgpu" }, { name: "run", run: newRun(config) });
      expect(info.provider).toBe("webgpu");
      expect(events.at(-1)).toEqual({ kind: "done", step: 4, steps: 4 });
      const node = await trainInNode(config, 1);
      expectClose(lossesOf(events), lossesOf(node.metrics), TOLERANCE, "losses");
      const { weights, optimizer } = MemoryRun.open("webgpu", decoded(files)).latest()!.checkpoint;
      const expected = node.latest()!.checkpoint;
      for (const [name, { data }] of expected.weights) expectClose(weights.get(name)!.data, data, 2e-3, name);
      for (const [name, { data }] of expected.optimizer) expectClose(optimizer.get(name)!.data, data, 2e-3, name);
    });
  });

  describe("a model that Node trained", () => {
    let files: RunFiles;
    let dir = "";
    beforeAll(async () => {
      const run = await trainInNode(configOf(20), 1);
      files = run.files;
      dir = path.join(folder.dir, "trained");
      writeFolder(dir, files);
    });

    test.each(["cpu", "webgpu"] as const)(
      "writes what Node writes, token by token, at temperature 0 (%s)",
      async (provider) => {
        const options = { temperature: 0, tokens: 24 };
        const { tokens, summary, info } = await call(
          "generate",
          { provider },
          { kind: "run", files: encoded(files) },
          "the state",
          options,
        );
        const expected = [];
        for await (const token of generate(openSavedModel(dir), "the state", nodeRuntime({ threads: 1 }), options))
          expected.push(token);
        expect(tokens.map(({ id, text, routedLayers, finish }) => ({ id, text, routedLayers, finish }))).toEqual(
          expected.map(({ id, text, routedLayers, finish }) => ({ id, text, routedLayers, finish })),
        );
        expect(tokens.some(({ routedLayers }) => routedLayers.length < 2)).toBe(true);
        expect(summary).toMatchObject({ finish: "length", tokens: 24 });
        expect(info).toMatchObject({ weights: "trained", step: 20, rule: "predictor" });
      },
    );

    test("draws what Node draws for a seed", async () => {
      const options = { temperature: 0.8, topK: 40, topP: 0.9, seed: 3, tokens: 24 };
      const { tokens } = await call("generate", {}, { kind: "run", files: encoded(files) }, "my fellow", options);
      const expected: number[] = [];
      for await (const { id } of generate(openSavedModel(dir), "my fellow", nodeRuntime({ threads: 1 }), options))
        expected.push(id);
      expect(tokens.map(({ id }) => id)).toEqual(expected);
    });

    test("is looked into as in Node, under every rule", async () => {
      const saved = openSavedModel(dir);
      const text =
        "the state of our union is strong my fellow citizens made laws for peace and congress the state of our union";
      for (const rule of ["topk", "predictor", "auxiliary"] as const) {
        const seen = await call("inspect", {}, { kind: "run", files: encoded(files) }, text, rule);
        const inspector = await Inspector.create(saved, rule, nodeRuntime({ threads: 1 }));
        const expected = await inspector.inspect(text, saved.parameters);
        await inspector.dispose();
        expect(seen.tokens.map((token) => token.text)).toEqual(expected.tokens.map((token) => token.text));
        expect(seen.layers.map(({ routedThrough }) => routedThrough)).toEqual(
          expected.layers.map(({ routedThrough }) => routedThrough),
        );
        const numbers = ({ tokens, layers }: typeof seen) => [
          ...tokens.slice(1).flatMap(({ lossNats, entropyNats }) => [lossNats!, entropyNats!]),
          ...layers.flatMap(({ routerWeights, predictorLogits }) => [
            ...(routerWeights ?? []),
            ...(predictorLogits ?? []),
          ]),
        ];
        expectClose(numbers(seen), numbers(expected), 1e-3, rule);
      }
    });

    test("is loaded from an export as safetensors too, and an export as ONNX says what to do", async () => {
      const out = path.join(folder.dir, "exported");
      exportSafetensors(out, openSavedModel(dir), { packageVersion: "0.0.0" });
      const names = ["model.safetensors", "config.json", "tokenizer.json"];
      const exported = new Map(names.map((name) => [name, new Uint8Array(readFileSync(path.join(out, name)))]));
      const options = { temperature: 0, tokens: 8 };
      const [a, b] = [
        await call("generate", {}, { kind: "export", files: encoded(exported) }, "the", options),
        await call("generate", {}, { kind: "run", files: encoded(files) }, "the", options),
      ];
      expect(a.tokens).toEqual(b.tokens);
      expect(a.info.step).toBe(20);
      const onnx = new Map([["step.onnx", new Uint8Array(4)]]);
      expect(await callFailure("load", { kind: "export", files: encoded(onnx) })).toMatchObject({
        code: "file",
        message: expect.stringContaining("use mod export --format safetensors"),
      });
    });

    test("has a dense twin, which is said to have random weights", async () => {
      const { model, twin } = await call("twins", {}, { kind: "run", files: encoded(files) }, "the", { tokens: 8 });
      expect(model.info.weights).toBe("trained");
      expect(twin.info).toMatchObject({ weights: "random", step: null, rule: "through", name: "dense twin of model" });
      expect(twin.info.config.pattern).toEqual(["dense"]);
      expect(twin.tokens).toHaveLength(8);
    });

    test("ends a text whose reader has left, and writes the next", async () => {
      const { seen, next } = await call("leaveEarly", {}, { kind: "run", files: encoded(files) });
      expect(seen).toBe(3);
      expect(next.tokens).toHaveLength(4);
    });

    test("goes on in the browser with the losses it would have had in Node", async () => {
      const whole = lossesOf((await trainInNode(configOf(20), 1)).metrics.filter(({ step }) => step > 10));
      const run = MemoryRun.open("half", files);
      run.rewindTo(10);
      const half = new Map([
        ...run.files,
        ...FILES.map(({ name, content }) => [`text/${name}`, strToU8(content)] as const),
      ]);
      const { events } = await call(
        "train",
        { threads: 1 },
        { name: "half", run: { kind: "resume", files: encoded(half) } },
      );
      expect(events[0]).toMatchObject({ kind: "start", step: 10, steps: 20 });
      expectClose(lossesOf(events), whole, TOLERANCE, "losses after step 10");
    });

    test("does not go on with another text", async () => {
      const text = { kind: "files", files: FILES.slice(1) } as const;
      const other = new Map([
        ...files,
        ...text.files.map(({ name, content }) => [`text/${name}`, strToU8(content)] as const),
      ]);
      const failure = await callFailure("train", {}, { name: "half", run: { kind: "resume", files: encoded(other) } });
      expect(failure).toMatchObject({
        code: "file",
        message: expect.stringContaining("must go on with the data it began with"),
      });
    });
  });

  test("a run that was stopped in the browser goes on in Node, with the losses it would have had", async () => {
    const request = { name: "begun", run: newRun(configOf(20)), saveAs: "begun" };
    const { events, files } = await call("train", { threads: 1 }, request, { 12: "stop" });
    const stopped = events.at(-1)!;
    expect(stopped).toMatchObject({ kind: "stopped", steps: 20 });
    expect(events).toContainEqual({ kind: "saved", step: (stopped as { step: number }).step, name: "begun" });
    const { archive, loaded, unpacked } = await call("keep", "begun too", files);
    expect(loaded.toSorted()).toEqual(files.toSorted());
    expect(unpacked.name).toBe("begun too");
    expect(unpacked.files.toSorted()).toEqual(files.toSorted());
    // As a download: one .zip, unpacked on a disk.
    writeFolder(folder.dir, new Map(Object.entries(unzipSync(Buffer.from(archive, "base64")))));
    await modOk(["train", "--resume", "begun too", "--threads", "1"], { cwd: folder.dir });
    const metrics = readMetrics(path.join(folder.dir, "begun too", "metrics.jsonl"));
    const node = await trainInNode(configOf(20), 1);
    expect(metrics.map(({ step, kind }) => ({ step, kind }))).toEqual(
      node.metrics.map(({ step, kind }) => ({ step, kind })),
    );
    expectClose(lossesOf(metrics), lossesOf(node.metrics), TOLERANCE, "losses of the whole run");
    const scored: { rules: EvaluationResult["rules"] } = await modJson(["eval", "begun too", "--threads", "1"], {
      cwd: folder.dir,
    });
    expect(scored.rules.predictor!.lossNats).toBeLessThan(Math.log(320));
  });

  test("a paused run can be saved, and goes on as if nothing had been", async () => {
    const request = { name: "run", run: newRun(configOf(8)), watch: { text: "the state of our union", every: 4 } };
    const [plain, held] = [
      await call("train", { threads: 1 }, request),
      await call("train", { threads: 1 }, request, { 3: "pause and snapshot" }),
    ];
    expectClose(lossesOf(held.events), lossesOf(plain.events), 0, "losses");
    expect(held.events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["paused", "resumed", "done"]));
    const latest = MemoryRun.open("paused", decoded(held.paused!)).latest();
    expect(latest!.checkpoint.step).toBeGreaterThanOrEqual(3);
    expect(latest!.checkpoint.step).toBeLessThanOrEqual(5);
    const watched = held.events.flatMap((event) => (event.kind === "routing" ? [event] : []));
    expect(watched.map(({ step }) => step)).toEqual([0, 4, 8]);
    for (const { inspection } of watched) {
      expect(inspection.layers.map(({ kind }) => kind)).toEqual(["dense", "mod", "dense", "mod"]);
      expect(inspection.layers[1]!.routerWeights).toHaveLength(inspection.tokens.length);
    }
  });

  test("a model of a training under way is sampled, and the run goes on from the browser's storage", async () => {
    const { text, first, second } = await call("chain", newRun(configOf(12)));
    expect(text.tokens).toHaveLength(4);
    expect(text.info.step).toBeGreaterThanOrEqual(3);
    const stopped = first.at(-1) as { kind: string; step: number };
    expect(stopped.kind).toBe("stopped");
    expect(second[0]).toMatchObject({ kind: "start", step: stopped.step, steps: 12 });
    expect(second.at(-1)).toEqual({ kind: "done", step: 12, steps: 12 });
    const node = (await trainInNode(configOf(12), 1)).metrics;
    const [done, rest] = [
      node.filter(({ step }) => step <= stopped.step),
      node.filter(({ step }) => step > stopped.step),
    ];
    expectClose(lossesOf(first), lossesOf(done), TOLERANCE, "losses before");
    expectClose(lossesOf(second), lossesOf(rest), TOLERANCE, "losses after");
  });

  test("the browser's storage keeps runs until they are deleted", async () => {
    const { files } = await call("train", { threads: 1 }, { name: "run", run: newRun(configOf(2)) });
    const { listed, left } = await call("keep", "kept", files);
    const bytes = [...decoded(files).values()].reduce((total, { byteLength }) => total + byteLength, 0);
    expect(listed.find(({ name }) => name === "kept")).toMatchObject({ name: "kept", bytes });
    expect(left.map(({ name }) => name)).not.toContain("kept");
  });

  test("a corpus of the site is trained on, and the run names it so that Node finds it", async () => {
    const config = configOf(2, { evaluate: { every: 2, tokens: 64 } });
    const small = { ...config, data: { tokenizer: { kind: "bytes" as const } } };
    const { training, events, files } = await call(
      "train",
      { threads: 1 },
      {
        name: "sotu",
        run: { kind: "new", config: small, text: { kind: "corpus", name: "sotu-recent" } },
      },
    );
    expect(events.at(-1)!.kind).toBe("done");
    expect(training.textTokens).toBeGreaterThan(1e6);
    expect(JSON.parse(Buffer.from(decoded(files).get("config.json")!).toString()).data.sources).toEqual(["text"]);
  });

  test("without isolation there is one thread, and a note says why; the numbers are the same", async () => {
    const plain = await site.open({ isolated: false });
    const run = { name: "run", run: newRun(configOf(4)) };
    const { info, events } = await plain.evaluate(
      (request) => (globalThis as unknown as { api: PageApi }).api.train({ threads: 2 }, request),
      run,
    );
    expect(info).toMatchObject({ threads: 1, notes: [expect.stringContaining("Cross-Origin-Embedder-Policy")] });
    expectClose(lossesOf(events), lossesOf((await trainInNode(configOf(4), 1)).metrics), TOLERANCE, "losses");
    await plain.context().close();
  });

  test("a host without headers gets isolation from a service worker, and with it threads", async () => {
    const plain = await site.open({ isolated: false });
    const loadedAgain = plain.waitForEvent("load");
    expect(await plain.evaluate(() => (globalThis as unknown as { api: PageApi }).api.ensureIsolated())).toBe(
      "reloading",
    );
    await loadedAgain;
    await plain.waitForFunction("globalThis.api !== undefined");
    expect(await plain.evaluate(() => (globalThis as unknown as { api: PageApi }).api.ensureIsolated())).toBe(
      "isolated",
    );
    const run = { name: "run", run: newRun(configOf(2)) };
    const { info, events } = await plain.evaluate(
      (request) => (globalThis as unknown as { api: PageApi }).api.train({ threads: 2 }, request),
      run,
    );
    expect(info).toMatchObject({ threads: 2, notes: [] });
    expect(events.at(-1)!.kind).toBe("done");
    await plain.context().close();
  });

  /** What the page says of a call that must fail. */
  function callFailure<Name extends keyof PageApi["failures"]>(
    name: Name,
    ...args: Parameters<PageApi["failures"][Name]>
  ) {
    return page.evaluate(
      ([method, list]) =>
        (
          globalThis as unknown as {
            api: { failures: Record<string, (...all: unknown[]) => ReturnType<PageApi["failures"]["load"]>> };
          }
        ).api.failures[method]!(...list),
      [name, args] as const,
    );
  }

  describe("what is wrong is said in words", () => {
    test("a configuration: every problem", async () => {
      const config = configOf(2);
      const bad = { ...config, model: { ...config.model, nHead: 3, nLayer: 0 } };
      const { code, problems } = await callFailure("train", {}, { name: "run", run: newRun(bad) });
      expect(code).toBe("config");
      expect(problems.join("\n")).toMatch(/model.nLayer/);
    });

    test("a model too large", async () => {
      const config = configOf(2);
      const large = { ...config, model: { ...config.model, dModel: 4096, nLayer: 8 } };
      const { code, message } = await callFailure("train", {}, { name: "run", run: newRun(large) });
      expect(code).toBe("memory");
      expect(message).toMatch(/at most 134 million parameters in a browser, got \d+ million/);
    });

    test("files that are no run, and a checkpoint that is damaged", async () => {
      expect(await callFailure("load", { kind: "run", files: [] })).toMatchObject({ code: "file" });
      const { files } = await call("train", { threads: 1 }, { name: "run", run: newRun(configOf(2)) });
      const damaged = new Map(decoded(files));
      const weights = [...damaged.keys()].find((name) => name.endsWith("weights.safetensors"))!;
      damaged.set(weights, damaged.get(weights)!.with(-1, 77));
      expect(await callFailure("load", { kind: "run", files: encoded(damaged) })).toMatchObject({
        code: "file",
        message: expect.stringContaining("must have sha256"),
      });
    });

    test("an archive that is none, is cut short, or leads out of its folder", async () => {
      const archive = (files: Record<string, Uint8Array>) => Buffer.from(zipSync(files)).toString("base64");
      const good = archive({ "run/config.json": strToU8("{}".repeat(999)) });
      const bad = [
        Buffer.from("no archive").toString("base64"),
        good.slice(0, 40),
        archive({ "../../x": strToU8("x") }),
      ];
      for (const bytes of bad) expect(await callFailure("unpack", bytes)).toMatchObject({ code: "file" });
    });

    test("WebGPU that is not there", async () => {
      const bare = await site.open({ webgpu: false });
      const failure = await bare.evaluate(() =>
        (globalThis as unknown as { api: PageApi }).api.failures.start({ provider: "webgpu" }),
      );
      expect(failure).toMatchObject({ code: "webgpu", message: expect.stringContaining('use "cpu"') });
    });
  });
});
