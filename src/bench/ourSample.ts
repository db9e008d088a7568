/** The process that measures this package's sampling: run as a program, see sampleProtocol.ts. */
import { createInterface } from "node:readline";
import { initialParameters } from "../model/parameters.ts";
import { float32, type HostTensors } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { Decoder, type StepOutput } from "../sample/decoder.ts";
import { packageVersion } from "./machine.ts";
import { timeProducts } from "./products.ts";
import { tokenAt } from "./protocol.ts";
import {
  type Generation,
  type SampleQuestion,
  type SampleReady,
  type SampleSettings,
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
    rule: model === "dense" ? "through" : "random",
    runtime,
    ...{ weights },
  });
}

/** One generation from nothing: afterwards the decoder holds no sequence. */
async function generate(tokens: number): Promise<Generation> {
  const { batch, prompt, vocabSize } = settings;
  const next = new Int32Array(batch);
  const routedRows: number[] = settings.model === "dense" ? [] : Array(batch + 1).fill(0);

  const started = performance.now();
  for (let i = 0; i < batch; i++) {
    const { logits } = await decoder.add(promptOf(i, prompt, vocabSize), { seed: 0, sequence: i });
    next[i] = mostLikely(logits.subarray(-vocabSize));
  }
  const prompted = performance.now();
  for (let step = 1; step < tokens; step++) {
    const output = await decoder.step(next);
    for (let i = 0; i < batch; i++) next[i] = mostLikely(output.logits.subarray(i * vocabSize, (i + 1) * vocabSize));
    countRows(output, routedRows);
  }
  const msPerToken = (performance.now() - prompted) / (tokens - 1);
  const kvMiB = decoder.cacheBytes / 2 ** 20;
  while (decoder.size > 0) decoder.remove(decoder.size - 1);
  return { firstTokenMs: prompted - started, msPerToken, kvMiB, routedRows };
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
const runtime = nodeRuntime({ threads: settings.threads });
const decoder = await createDecoder(settings);
await generate(WARM_TOKENS);
answer({ version: packageVersion(), threads: settings.threads } satisfies SampleReady);

const answers: Readonly<Record<SampleQuestion, () => Promise<object>>> = {
  trial: () => generate(TRIAL_TOKENS),
  generate: () => generate(settings.tokens),
  products: () => timeProducts(settings, runtime),
};
for await (const line of createInterface(process.stdin)) answer(await answers[line as SampleQuestion]());
await decoder.dispose();
