import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import type { CausalRule } from "../model/causalRule.ts";
import { type ModelConfig, routedLayers } from "../model/config.ts";
import { prefillGraph } from "../model/decodingGraphs.ts";
import { routingNoise } from "../model/noise.ts";
import { parameterInputs, parameterTensors } from "../model/parameterInputs.ts";
import { parameterList } from "../model/parameters.ts";
import { livelyParameters, tinyDense, tinyMod, tinyMode, tinyMoe, tinyRandom } from "../model/testing/tinyModel.ts";
import { randomBelow } from "../random.ts";
import { openSavedModel } from "../run/openSavedModel.ts";
import { float32, floats, type HostTensors, int32 } from "../runtime/executor.ts";
import { cases } from "../testing/cases.ts";
import { newRun, runtime, sharedData, tinyConfig, trainToEnd } from "../train/testing/tinyRun.ts";
import { Decoder } from "./decoder.ts";

/** Against the plain forward pass, float32: logits are up to 20 here, and 1.2e-4 was seen in 400 runs. */
const TOLERANCE = 1e-3;

interface Case {
  readonly model: ModelConfig;
  readonly parameters: HostTensors;
  readonly rule: CausalRule;
  readonly thresholds?: readonly number[];
  readonly budget?: number;
}

const context = { seqLen: 48, vocabSize: 11 };
const random = (model: ModelConfig, rule: CausalRule, limits: Pick<Case, "thresholds" | "budget"> = {}): Case => ({
  ...{ model, parameters: livelyParameters(model), rule },
  ...limits,
});
const CASES: Record<string, Case> = {
  dense: random(tinyDense(context), "through"),
  predictor: random(tinyMod({}, context), "predictor"),
  "auxiliary, sigmoid gate": random(tinyMod({ gate: "sigmoid" }, context), "auxiliary"),
  "random routing": random(tinyRandom("linear", context), "random"),
  "thresholds of its own": random(tinyMod({}, context), "auxiliary", { thresholds: [0.7, -0.4] }),
  "a budget": random(tinyMod({}, context), "predictor", { budget: 0.3 }),
  "integrated mode": random(tinyMoe({ noOps: 3 }, context), "through"),
  "staged mode, expert choice": random(tinyMode({ choice: "expert", predictor: { width: 4 } }, context), "predictor"),
  "a budget of random routing": random(tinyRandom("one", context), "random", { budget: 1 / 3 }),
};

// Weights as training leaves them are not like random ones: routers decide clearly, blocks differ in scale.
const data = sharedData();
const folder = mkdtempSync(path.join(tmpdir(), "mod-decoder-"));
beforeAll(async () => {
  const config = tinyConfig("mod", {
    model: { ...context, nLayer: 4, vocabSize: undefined },
    train: { batchSize: 8, horizon: { kind: "steps", steps: 80 }, learningRate: { peak: 5e-3 } },
  });
  const dir = newRun(folder, "trained", config, data.get());
  await trainToEnd({ dir, config, data: data.get() });
  const { model, parameters } = openSavedModel(dir);
  for (const rule of ["predictor", "auxiliary"] as const) CASES[`trained, ${rule}`] = { model, parameters, rule };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NAMES = [...Object.keys(CASES), "trained, predictor", "trained, auxiliary"];
const noiseOf = (sequence: number) => ({ seed: 5, sequence });
const textOf = ({ vocabSize }: ModelConfig, sequence: number, length: number): number[] =>
  Array.from({ length }, (_, i) => randomBelow(Math.min(vocabSize, 200), 99, sequence, i));
const distance = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

/** What happens to a decoder: a text joins, all go on by a token, or one leaves. */
type Event = { join: number; prompt: number } | { steps: number } | { leave: number };
const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    fc.record({ join: fc.nat(1000), prompt: fc.integer({ min: 1, max: 24 }) }),
    fc.record({ steps: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ leave: fc.nat(7) }),
  ),
  { minLength: 1, maxLength: 12 },
);

describe.each(NAMES)("%s", (name) => {
  test("every text of any mix gets what the plain forward pass gives it alone", async () => {
    const { model, parameters, rule, ...limits } = CASES[name]!;
    const decoder = await Decoder.create(model, parameters, { rule, runtime, ...limits });
    const plain = await runtime.compile(causalGraph(model, rule, "logits", limits));
    const routed = routedLayers(model);

    async function checkText({ sequence, logits, decisions }: Text): Promise<void> {
      const tokens = Int32Array.from(textOf(model, sequence, decisions.length));
      const batch = { tokens, lengths: [tokens.length], width: tokens.length, noiseKeys: [noiseOf(sequence)] };
      const expected = await plain.run({ ...causalFeeds(batch, model), ...parameters });
      const all = floats(expected, "logits");
      for (const [position, own] of logits) {
        const row = all.subarray(position * model.vocabSize, (position + 1) * model.vocabSize);
        expect(distance(own, row)).toBeLessThan(TOLERANCE);
      }
      const through = routed.map((_, i) => [...(expected[`routedThrough.${i}`]!.data as Uint8Array)]);
      expect(decisions).toEqual(decisions.map((_, position) => through.map((layer) => layer[position])));
    }

    await fc.assert(
      fc.asyncProperty(events, async (mix) => {
        while (decoder.size > 0) decoder.remove(0); // what a mix that failed left
        const texts: Text[] = [];
        const leave = async (i: number) => {
          await checkText(texts[i]!);
          decoder.remove(i);
          const last = texts.pop()!;
          if (i < texts.length) texts[i] = last;
        };
        for (const event of mix) {
          if ("join" in event && texts.length < 8) {
            const prompt = textOf(model, event.join, event.prompt);
            const output = await decoder.add(prompt, noiseOf(event.join));
            const decisions = prompt.map((_, t) => output.routedThrough.map((layer) => layer[t]!));
            texts.push({ sequence: event.join, logits: [[prompt.length - 1, output.logits]], decisions });
          } else if ("leave" in event && texts.length > 0) {
            await leave(event.leave % texts.length);
          } else if ("steps" in event) {
            for (let i = 0; i < event.steps; i++) {
              for (let j = texts.length - 1; j >= 0; j--)
                if (texts[j]!.decisions.length === model.seqLen) await leave(j);
              if (texts.length === 0) break;
              const next = texts.map(
                ({ sequence, decisions }) => textOf(model, sequence, decisions.length + 1).at(-1)!,
              );
              const output = await decoder.step(Int32Array.from(next));
              for (const [row, text] of texts.entries()) {
                const own = output.logits.slice(row * model.vocabSize, (row + 1) * model.vocabSize);
                text.logits.push([text.decisions.length, own]);
                text.decisions.push(output.routedThrough.map((layer) => layer[row]!));
              }
            }
          }
        }
        while (texts.length > 0) await leave(0);
        expect(decoder.cacheBytes).toBe(0);
      }),
      cases(12),
    );
    await decoder.dispose();
    await plain.dispose();
  });

  test("looks at no later token: what stands before a change stays as it was", async () => {
    const { model, parameters, rule, budget, ...rest } = CASES[name]!;
    const others = parameterInputs(parameterList(model), "value", "float32");
    const limit = budget === undefined ? {} : { budget };
    const prefill = await runtime.compile(
      prefillGraph(model, rule, parameterTensors(model, others), { others, logitPlaces: "every", ...limit }),
    );
    const routed = routedLayers(model);
    const length = 40;
    const noise = float32([length, routed.length], routingNoise([noiseOf(1)], length, routed.length));
    const thresholds = float32(
      [1, routed.length],
      Float32Array.from(routed, (_, i) => rest.thresholds?.[i] ?? 0),
    );
    const run = (tokens: readonly number[]) =>
      prefill.run({ ...parameters, noise, thresholds, tokens: int32([1, length], Int32Array.from(tokens)) });
    const text = textOf(model, 1, length);
    const before = await run(text);
    for (const change of [1, 17, 39]) {
      const after = await run(text.map((id, t) => (t < change ? id : (id + 1 + (t % 3)) % 11)));
      const size = change * model.vocabSize;
      const [a, b] = [floats(before, "logits"), floats(after, "logits")];
      expect(distance(a.slice(0, size), b.slice(0, size))).toBeLessThan(1e-5);
      expect(distance(a, b)).toBeGreaterThan(1e-3);
      for (const layer of routed) {
        const decisions = (outputs: HostTensors) =>
          (outputs[`routedThrough.${layer}`]!.data as Uint8Array).slice(0, change);
        expect(decisions(after)).toEqual(decisions(before));
      }
    }
    await prefill.dispose();
  });
});

/** A text under way, as the decoder told of it. */
interface Text {
  readonly sequence: number;
  /** Positions, and the logits after them. */
  readonly logits: [number, Float32Array][];
  /** Of each position, of each routed layer. */
  readonly decisions: number[][];
}
