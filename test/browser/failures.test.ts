import { strToU8, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { expectClose } from "../../src/graph/testing/gradientCheck.ts";
import { configOf, decoded, encoded, lossesOf, newRun, TOLERANCE, trainInNode } from "./runs.ts";
import { callPage, hasChromium, useEngineSite } from "./site.ts";

describe.skipIf(!hasChromium())("what a browser lacks, and what is wrong (needs Chromium)", () => {
  const { call, open } = useEngineSite();

  test("without isolation there is one thread, and a note says why; the numbers are the same", async () => {
    const plain = await open({ isolated: false });
    const run = { name: "run", run: newRun(configOf(4)) };
    const { info, events } = await callPage(plain, "train", { threads: 2 }, run);
    expect(info).toMatchObject({ threads: 1, notes: [expect.stringContaining("Cross-Origin-Embedder-Policy")] });
    expectClose(lossesOf(events), lossesOf((await trainInNode(configOf(4), 1)).metrics), TOLERANCE, "losses");
    await plain.context().close();
  });

  test("a host without headers gets isolation from a service worker, and with it threads", async () => {
    const plain = await open({ isolated: false });
    const loadedAgain = plain.waitForEvent("load");
    expect(await callPage(plain, "ensureIsolated")).toBe("reloading");
    await loadedAgain;
    await plain.waitForFunction("globalThis.api !== undefined");
    expect(await callPage(plain, "ensureIsolated")).toBe("isolated");
    const run = { name: "run", run: newRun(configOf(2)) };
    const { info, events } = await callPage(plain, "train", { threads: 2 }, run);
    expect(info).toMatchObject({ threads: 2, notes: [] });
    expect(events.at(-1)!.kind).toBe("done");
    await plain.context().close();
  });

  describe("what is wrong is said in words", () => {
    test("a configuration: every problem", async () => {
      const config = configOf(2);
      const bad = { ...config, model: { ...config.model, nHead: 3, nLayer: 0 } };
      const { code, problems } = await call("failsToTrain", { name: "run", run: newRun(bad) });
      expect(code).toBe("config");
      expect(problems.join("\n")).toMatch(/model.nLayer/);
    });

    test("a model too large", async () => {
      const config = configOf(2);
      const large = { ...config, model: { ...config.model, dModel: 4096, nLayer: 8 } };
      const { code, message } = await call("failsToTrain", { name: "run", run: newRun(large) });
      expect(code).toBe("memory");
      expect(message).toMatch(/at most 134 million parameters in a browser, got \d+ million/);
    });

    test("files that are no run, and a checkpoint that is damaged", async () => {
      expect(await call("failsToLoad", { files: [] })).toMatchObject({ code: "file" });
      const { files } = await call("train", { threads: 1 }, { name: "run", run: newRun(configOf(2)) });
      const damaged = new Map(decoded(files));
      const weights = [...damaged.keys()].find((name) => name.endsWith("weights.safetensors"))!;
      damaged.set(weights, damaged.get(weights)!.with(-1, 77));
      expect(await call("failsToLoad", { files: encoded(damaged) })).toMatchObject({
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
      for (const bytes of bad) expect(await call("failsToUnpack", bytes)).toMatchObject({ code: "file" });
    });

    test("a run that finds no room, of which nothing is left", async () => {
      const page = await open({});
      const devTools = await page.context().newCDPSession(page);
      const { origin } = new URL(page.url());
      await devTools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1 << 20 });
      const failure = await callPage(page, "failsToSave", "large", 4 << 20);
      expect(failure).toEqual({ code: "storage", message: expect.stringContaining("delete a run"), left: [] });
      await page.context().close();
    });

    test("WebGPU that is not there", async () => {
      const bare = await open({ webgpu: false });
      const failure = await callPage(bare, "failsToStart", { provider: "webgpu" });
      expect(failure).toMatchObject({ code: "webgpu", message: expect.stringContaining('use "cpu"') });
    });
  });
});
