/** The process that measures this package's sampling: run as a program, see sampleProtocol.ts. */
import { createInterface } from "node:readline";
import { derived } from "../model/config.ts";
import { initialParameters } from "../model/parameters.ts";
import { packageVersion } from "../run/provenance.ts";
import { float32, type HostTensors } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { Decoder, type StepOutput } from "../sample/decoder.ts";
import { timeProducts } from "./products.ts";
import { tokenAt } from "./protocol.ts";
import {
  type SampleQuestion,
  type SampleReady,
  type SampleSettings,
  SEGMENT_STEPS,
  type Segment,
  sampleSettingsSchema,
} from "./sampleProtocol.ts";
import { modelConfig } from "./shapes.ts";

const WARM_TOKENS = 4;
const TRIAL_TOKENS = 32;

/** A decoder with random weights. Routed blocks decide by chance, so that they compute their nominal share. */
function createDecoder({ model, weights, ...sizes }: SampleSettings): Promise<Decoder> {
  const config = modelConfig({ ...sizes, model });
  const parameters: HostTensors = Object.fromEntries(
    [...initialParameters(config, 0)].map(([name, { shape, data }]) => [`value.${name}`, float32(shape, data)]),
  );
  return Decoder.create(config, parameters, {
    rule: config.routing.kind === "none" ? "through" : "random",
    runtime,
    ...{ weights },
  });
}

/** One generation from nothing, segment by segment; afterwards the decoder holds no sequence. */
async function* generate(tokens: number): AsyncGenerator<Segment, void, undefined> {
  const { batch, prompt, vocabSize } = settings;
  const next = new Int32Array(batch);
  const started = performance.now();
  for (let i = 0; i < batch; i++) {
    const { logits } = await decoder.add(promptOf(i, prompt, vocabSize), { seed: 0, sequence: i });
    next[i] = mostLikely(logits.subarray(-vocabSize));
  }
  let firstTokenMs: number | null = performance.now() - started;
  for (let left = tokens - 1; left > 0; ) {
    const steps = Math.min(left, SEGMENT_STEPS);
    const routedRows: number[] = isRouted ? Array(batch + 1).fill(0) : [];
    const stepMs: number[] = [];
    for (let step = 0; step < steps; step++) {
      const begun = performance.now();
      const output = await decoder.step(next);
      for (let i = 0; i < batch; i++) next[i] = mostLikely(output.logits.subarray(i * vocabSize, (i + 1) * vocabSize));
      stepMs.push(performance.now() - begun);
      countRows(output, routedRows);
    }
    left -= steps;
    yield { firstTokenMs, stepMs, isLast: left === 0, kvMiB: decoder.cacheBytes / 2 ** 20, routedRows };
    firstTokenMs = null;
  }
  while (decoder.size > 0) decoder.remove(decoder.size - 1);
}

/** Times of the steps of a short generation. */
async function trial(tokens: number): Promise<{ stepMs: number[] }> {
  const stepMs: number[] = [];
  for await (const segment of generate(tokens)) stepMs.push(...segment.stepMs);
  return { stepMs };
}

/** Generations without end. */
async function* segments(): AsyncGenerator<Segment, never, undefined> {
  while (true) yield* generate(settings.tokens);
}

const promptOf = (sequence: number, length: number, vocabSize: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => tokenAt(sequence * length + i, vocabSize));

function mostLikely(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

function countRows({ routedThrough }: StepOutput, routedRows: number[]): void {
  for (const layer of routedThrough) routedRows[layer.reduce((rows, through) => rows + through, 0)]!++;
}

const answer = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

const settings = sampleSettingsSchema.parse(JSON.parse(process.argv[2]!));
const isRouted = derived(modelConfig(settings)).nRouted > 0;
const runtime = nodeRuntime({ threads: settings.threads });
const decoder = await createDecoder(settings);
await trial(WARM_TOKENS);
answer({ version: packageVersion(), threads: settings.threads } satisfies SampleReady);

const running = segments();
const answers: Readonly<Record<SampleQuestion, () => Promise<object>>> = {
  trial: () => trial(TRIAL_TOKENS),
  segment: async () => (await running.next()).value,
  products: () => timeProducts(settings, runtime),
};
for await (const line of createInterface(process.stdin)) answer(await answers[line as SampleQuestion]());
await decoder.dispose();
