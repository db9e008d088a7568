import { readFileSync } from "node:fs";
import path from "node:path";
import { strToU8 } from "fflate";
import { beforeAll, describe, expect, test } from "vitest";
import { Inspector, MemoryRun, type RunFiles } from "../../src/browser.ts";
import { exportSafetensors } from "../../src/export/exportSafetensors.ts";
import { expectClose } from "../../src/graph/testing/gradientCheck.ts";
import { openSavedModel } from "../../src/run/openSavedModel.ts";
import { nodeRuntime } from "../../src/runtime/node.ts";
import { generate } from "../../src/sample/generate.ts";
import { configOf, encoded, FILES, lossesOf, TOLERANCE, trainInNode, writeFolder } from "./runs.ts";
import { hasChromium, useEngineSite } from "./site.ts";

describe.skipIf(!hasChromium())("models in a browser (needs Chromium)", () => {
  const { call, folder } = useEngineSite();

  describe("a model that Node trained", () => {
    let files: RunFiles;
    let dir = "";
    beforeAll(async () => {
      const run = await trainInNode(configOf(20), 1);
      files = run.files;
      dir = path.join(folder, "trained");
      writeFolder(dir, files);
    });

    test.each(["cpu", "webgpu"] as const)(
      "writes what Node writes, token by token, at temperature 0 (%s)",
      async (provider) => {
        const options = { temperature: 0, tokens: 24 };
        const { tokens, summary, info } = await call(
          "generate",
          { provider },
          { files: encoded(files) },
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
      const { tokens } = await call("generate", {}, { files: encoded(files) }, "my fellow", options);
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
        const seen = await call("inspect", {}, { files: encoded(files) }, text, rule);
        const inspector = await Inspector.create(saved, rule, nodeRuntime({ threads: 1 }));
        const expected = await inspector.inspect(text, saved.parameters);
        await inspector.dispose();
        expect(seen.tokens).toEqual(expected.tokens);
        expect(seen.layers.map(({ routedThrough }) => routedThrough)).toEqual(
          expected.layers.map(({ routedThrough }) => routedThrough),
        );
        const numbers = ({ lossNats, entropyNats, layers }: typeof seen) => [
          ...[...lossNats.slice(1), ...entropyNats.slice(1)].map(Number),
          ...layers.flatMap(({ routerWeights, predictorLogits }) => [
            ...(routerWeights ?? []),
            ...(predictorLogits ?? []),
          ]),
        ];
        expectClose(numbers(seen), numbers(expected), 1e-3, rule);
      }
    });

    test("is loaded from an export as safetensors too, and an export as ONNX says what to do", async () => {
      const out = path.join(folder, "exported");
      exportSafetensors(out, openSavedModel(dir), { packageVersion: "0.0.0" });
      const names = ["model.safetensors", "config.json", "tokenizer.json"];
      const exported = new Map(names.map((name) => [name, new Uint8Array(readFileSync(path.join(out, name)))]));
      const options = { temperature: 0, tokens: 8 };
      const [a, b] = [
        await call("generate", {}, { files: encoded(exported) }, "the", options),
        await call("generate", {}, { files: encoded(files) }, "the", options),
      ];
      expect(a.tokens).toEqual(b.tokens);
      expect(a.info.step).toBe(20);
      const onnx = new Map([["step.onnx", new Uint8Array(4)]]);
      expect(await call("failsToLoad", { files: encoded(onnx) })).toMatchObject({
        code: "file",
        message: expect.stringContaining("use mod export --format safetensors"),
      });
    });

    test("has a dense twin, which is said to have random weights", async () => {
      const { model, twin } = await call("twins", {}, { files: encoded(files) }, "the", { tokens: 8 });
      expect(model.info.weights).toBe("trained");
      expect(twin.info).toMatchObject({ weights: "random", step: null, rule: "through", name: "dense twin of model" });
      expect(twin.info.config.pattern).toEqual(["dense"]);
      expect(twin.tokens).toHaveLength(8);
    });

    test("ends a text whose reader has left, and writes the next", async () => {
      const { seen, next } = await call("leaveEarly", {}, { files: encoded(files) });
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
      const failure = await call("failsToTrain", { name: "half", run: { kind: "resume", files: encoded(other) } });
      expect(failure).toMatchObject({
        code: "text",
        message: expect.stringContaining("must go on with the data it began with"),
      });
    });
  });
});
