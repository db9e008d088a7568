import { describe, expect, test } from "vitest";
import { ByteTokenizer } from "../data/tokenizer/byteTokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import { livelyParameters, tinyDense, tinyMod, tinyRandom } from "../model/testing/tinyModel.ts";
import { nodeRuntime } from "../runtime/node.ts";
import type { CompletionOptions } from "./completionOptions.ts";
import { type Changes, CompletionServer } from "./completionServer.ts";
import { type GeneratedToken, type GenerativeModel, Generator } from "./generator.ts";
import { LanguageModel } from "./languageModel.ts";

const runtime = nodeRuntime({ threads: 1 });
const change = { vocabSize: 257, seqLen: 16 };
const modelOf = (model: ModelConfig): GenerativeModel => ({
  step: 0,
  dir: "runs/tiny",
  model,
  tokenizer: new ByteTokenizer(),
  parameters: livelyParameters(model),
  calibrations: {},
});
const models = {
  dense: modelOf(tinyDense(change)),
  mod: modelOf(tinyMod({}, change)),
  random: modelOf(tinyRandom("linear", change)),
};

/** All tokens of each text, by its number; `between` is called before each step. */
async function run(generator: Generator, between: (step: number) => void = () => {}) {
  const texts = new Map<number, GeneratedToken[]>();
  for (let step = 0; !generator.isIdle; step++) {
    between(step);
    for (const { completion, token } of await generator.step()) {
      texts.set(completion, [...(texts.get(completion) ?? []), token]);
    }
  }
  return texts;
}

const prompts: [string, CompletionOptions][] = [
  ["", { tokens: 30, seed: 1 }],
  ["abc", { tokens: 12, seed: 2, temperature: 0 }],
  ["a prompt that is longer than the context", { tokens: 20, seed: 3, topK: 20 }],
  ["xy", { tokens: 40, seed: 4, repetitionPenalty: 1.3, alternatives: 2 }],
  ["z", { tokens: 1, seed: 5, topP: 0.9 }],
];

describe.each(Object.entries(models))("%s", (_, saved) => {
  test("a text is the same alone, in a batch, joined late and made to wait", async () => {
    const alone: GeneratedToken[][] = [];
    const generator = await Generator.create(saved, runtime);
    for (const [prompt, options] of prompts) {
      const id = generator.submit(prompt, options);
      alone.push((await run(generator)).get(id)!);
    }
    for (const [i, tokens] of alone.entries()) {
      const ended = tokens.length === prompts[i]![1].tokens ? ["length", "end"] : ["end"];
      expect(ended).toContain(tokens.at(-1)!.finish);
    }

    const first = prompts.map(([prompt, options]) => generator.submit(prompt, options));
    const together = await run(generator);
    expect(first.map((id) => together.get(id))).toEqual(alone);

    const late = [generator.submit(...prompts[0]!)];
    const joined = await run(generator, (step) => {
      if (step % 3 === 2 && late.length < prompts.length) late.push(generator.submit(...prompts[late.length]!));
    });
    expect(late.map((id) => joined.get(id))).toEqual(alone);
    await generator.dispose();

    const narrow = await Generator.create(saved, runtime, { maxBatch: 2 });
    const waited = prompts.map(([prompt, options]) => narrow.submit(prompt, options));
    const inTurns = await run(narrow);
    expect(waited.map((id) => inTurns.get(id))).toEqual(alone);
    await narrow.dispose();
  });

  test("one that is cancelled gives no more, and the others what they would", async () => {
    const generator = await Generator.create(saved, runtime);
    const expected = generator.submit("abc", { tokens: 20, seed: 2 });
    const alone = (await run(generator)).get(expected);
    const cancelled = generator.submit("q", { tokens: 20, seed: 1 });
    const kept = generator.submit("abc", { tokens: 20, seed: 2 });
    const texts = await run(generator, (step) => {
      if (step === 5) generator.cancel(cancelled);
    });
    expect(texts.get(cancelled)!.length).toBeLessThanOrEqual(5);
    expect(texts.get(kept)).toEqual(alone);
    await generator.dispose();
  });
});

test("quantised, a text is the same alone and in a batch but for rounding", async () => {
  for (const weights of ["int8", "int4"] as const) {
    const generator = await Generator.create(models.mod, runtime, { weights });
    const options = { tokens: 20, seed: 2, temperature: 0 };
    const alone = generator.submit("abc", options);
    const expected = (await run(generator)).get(alone)!;
    const [, again] = [generator.submit("x", { tokens: 30, seed: 9 }), generator.submit("abc", options)];
    expect((await run(generator)).get(again)).toEqual(
      expected.map((token) => ({ ...token, logProbability: expect.closeTo(token.logProbability, 4) })),
    );
    await generator.dispose();
  }
});

test("a stop string ends the text before it", async () => {
  const generator = await Generator.create(models.mod, runtime);
  const textOf = async (options: CompletionOptions) => {
    const id = generator.submit("ab", { tokens: 40, seed: 4, ...options });
    const tokens = (await run(generator)).get(id)!;
    return { text: tokens.map(({ text }) => text).join(""), finish: tokens.at(-1)!.finish };
  };
  const { text } = await textOf({});
  const middle = Math.floor(text.length / 2);
  const stop = text.slice(middle, middle + 2);
  expect(stop).toHaveLength(2);
  expect(await textOf({ stop: [stop] })).toEqual({ text: text.slice(0, text.indexOf(stop)), finish: "stop" });
  await generator.dispose();
});

test("options out of range are told before anything runs", async () => {
  const generator = await Generator.create(models.dense, runtime);
  expect(() => generator.submit("a", { tokens: -1 })).toThrow("tokens must be an integer of at least 0, got -1");
  expect(() => generator.submit("a", { topP: 2 })).toThrow("topP must be in (0, 1], got 2");
  expect(() => generator.submit("a", { stop: [""] })).toThrow("a stop string must have a character");
  expect(generator.isIdle).toBe(true);
  await generator.dispose();
});

describe("LanguageModel", () => {
  const open = async (saved: GenerativeModel) => {
    const server = new CompletionServer(await Generator.create(saved, runtime));
    return new LanguageModel(saved.model, server);
  };

  test("several loops at a time get what each gets alone", async () => {
    const model = await open(models.mod);
    const alone = [];
    for (const [prompt, options] of prompts) alone.push(await model.complete(prompt, options));
    const together = await Promise.all(prompts.map(([prompt, options]) => model.complete(prompt, options)));
    expect(together).toEqual(alone);
    await model.close();
  });

  /** A port that gives each text its tokens forever, and tells what it is asked. */
  function endless() {
    const asked: Changes[] = [];
    const texts = new Set<number>();
    let submitted = 0;
    const advance = async (changes: Changes) => {
      asked.push(changes);
      for (const _ of changes.submitted) texts.add(submitted++);
      for (const id of changes.cancelled) texts.delete(id);
      const token = { id: 7, text: "x", logProbability: -1, routedLayers: [] };
      return [...texts].map((completion) => ({ completion, token }));
    };
    return { model: new LanguageModel(models.dense.model, { advance, dispose: async () => {} }), asked };
  }

  test("an abort ends the loop between two tokens, and leaving it ends the text", async () => {
    const { model, asked } = endless();
    const stop = new AbortController();
    let count = 0;
    for await (const _ of model.generate("ab", { signal: stop.signal })) if (++count === 3) stop.abort();
    expect(count).toBe(3);
    for await (const _ of model.generate("ab")) break;
    expect(await model.complete("ab", { signal: AbortSignal.abort() })).toEqual({
      text: "",
      tokens: [],
      finish: "aborted",
    });
    for await (const _ of model.generate("ab")) break;
    await model.close();
    expect(asked.flatMap(({ cancelled }) => cancelled)).toEqual([0, 1]);
  });

  test("timers run while a text is under way", async () => {
    const model = await open(models.dense);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    for (let i = 0; i < 4; i++) await model.complete("ab", { tokens: 50, seed: i });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    await model.close();
  });

  test("options out of range reject one text alone", async () => {
    const { model } = endless();
    const stop = new AbortController();
    const good = model.complete("ab", { signal: stop.signal });
    await expect(model.complete("ab", { temperature: -1 })).rejects.toThrow("temperature must be");
    stop.abort();
    expect((await good).finish).toBe("aborted");
    await model.close();
    await expect(model.complete("ab")).rejects.toThrow("got one that was closed");
  });

  test("an error of the engine reaches every loop", async () => {
    const failing = {
      advance: () => Promise.reject(new Error("engine: broken")),
      dispose: () => Promise.resolve(),
    };
    const model = new LanguageModel(models.dense.model, failing);
    const loops = [model.complete("a"), model.complete("b")];
    for (const loop of loops) await expect(loop).rejects.toThrow("engine: broken");
  });
});
