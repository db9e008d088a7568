import path from "node:path";
import { unzipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { type EvaluationResult, MemoryRun } from "../../src/browser.ts";
import { expectClose } from "../../src/graph/testing/gradientCheck.ts";
import { readMetrics } from "../../src/run/metrics.ts";
import { modJson, modOk } from "../support/cli.ts";
import { configOf, decoded, isStep, lossesOf, newRun, TOLERANCE, trainInNode, writeFolder } from "./runs.ts";
import { hasChromium, useEngineSite } from "./site.ts";

describe.skipIf(!hasChromium())("training in a browser (needs Chromium)", () => {
  const { call, folder } = useEngineSite();

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

  describe("the controls give Node's losses and evaluations too, and are looked into while they train", () => {
    test.each(["dense", "random"] as const)("%s", async (variant) => {
      const config = configOf(6, { evaluate: { every: 3, tokens: 256 } });
      const layers = {
        dense: { pattern: ["dense" as const], routing: { kind: "none" as const } },
        random: { routing: { kind: "random" as const, capacityRatio: 0.25 } },
      };
      const changed = { ...config, model: { ...config.model, ...layers[variant] } };
      const watch = { text: "the state of our union", every: 3 };
      const { events } = await call("train", { threads: 1 }, { name: "run", run: newRun(changed), watch });
      expect(events.at(-1)!.kind).toBe("done");
      expectClose(lossesOf(events), lossesOf((await trainInNode(changed, 1)).metrics), TOLERANCE, "losses");
      const routings = events.flatMap((event) => (event.kind === "routing" ? [event.inspection] : []));
      expect(routings).toHaveLength(3);
      const through = routings[0]!.layers.map(({ routedThrough }) => routedThrough.filter(Boolean).length);
      const all = routings[0]!.tokens.length;
      expect(through).toEqual(
        variant === "dense" ? Array(4).fill(all) : [all, Math.round(all / 4), all, Math.round(all / 4)],
      );
    });
  });

  describe("a few steps on WebGPU, whose memory the state does not leave, give Node's losses and weights (needs WebGPU)", () => {
    test.each([
      ["mod", 1],
      ["dense", 2],
    ] as const)("%s, %i batches to an update", async (variant, accumulate) => {
      const mod = configOf(4, { accumulate, evaluate: { every: 2, tokens: 256 } });
      const dense = { ...mod.model, pattern: ["dense" as const], routing: { kind: "none" as const } };
      const config = variant === "mod" ? mod : { ...mod, model: dense };
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
    writeFolder(folder, new Map(Object.entries(unzipSync(Buffer.from(archive, "base64")))));
    await modOk(["train", "--resume", "begun too", "--threads", "1"], { cwd: folder });
    const metrics = readMetrics(path.join(folder, "begun too", "metrics.jsonl"));
    const node = await trainInNode(configOf(20), 1);
    expect(metrics.map(({ step, kind }) => ({ step, kind }))).toEqual(
      node.metrics.map(({ step, kind }) => ({ step, kind })),
    );
    expectClose(lossesOf(metrics), lossesOf(node.metrics), TOLERANCE, "losses of the whole run");
    const scored: { rules: EvaluationResult["rules"] } = await modJson(["eval", "begun too", "--threads", "1"], {
      cwd: folder,
    });
    expect(scored.rules.predictor!.lossNats).toBeLessThan(Math.log(320));
  });

  test("a paused run can be saved, and goes on as if nothing had been", async () => {
    const request = { name: "run", run: newRun(configOf(16)), watch: { text: "the state of our union", every: 4 } };
    const [plain, held] = [
      await call("train", { threads: 1 }, request),
      await call("train", { threads: 1 }, request, { 3: "pause and snapshot" }),
    ];
    expectClose(lossesOf(held.events), lossesOf(plain.events), 0, "losses");
    expect(held.events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["paused", "resumed", "done"]));
    const latest = MemoryRun.open("paused", decoded(held.paused!)).latest();
    expect(latest!.checkpoint.step).toBeGreaterThanOrEqual(3);
    expect(held.events).toContainEqual({ kind: "paused", step: latest!.checkpoint.step });
    const watched = held.events.flatMap((event) => (event.kind === "routing" ? [event] : []));
    expect(watched.map(({ step }) => step)).toEqual([0, 4, 8, 12, 16]);
    for (const { inspection } of watched) {
      expect(inspection.layers.map(({ kind }) => kind)).toEqual(["dense", "mod", "dense", "mod"]);
      expect(inspection.layers[1]!.routerWeights).toHaveLength(inspection.tokens.length);
    }
  });

  test("a model of a training under way is sampled, and the run goes on from the browser's storage", async () => {
    const { text, first, second } = await call("chain", newRun(configOf(24)));
    expect(text.tokens).toHaveLength(4);
    expect(text.info.step).toBeGreaterThanOrEqual(3);
    const stopped = first.at(-1) as { kind: string; step: number };
    expect(stopped.kind).toBe("stopped");
    expect(second[0]).toMatchObject({ kind: "start", step: stopped.step, steps: 24 });
    expect(second.at(-1)).toEqual({ kind: "done", step: 24, steps: 24 });
    const node = (await trainInNode(configOf(24), 1)).metrics;
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
});
