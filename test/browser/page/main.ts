/** A page with nothing but the engine, and what tests do with it from outside: each call has an engine of its own. */
import type { CompletionOptions, Rule } from "../../../src/browser.ts";
import { Engine, EngineFailed, type RunningTraining } from "../../../web/engine/client.ts";
import { ensureIsolated } from "../../../web/engine/isolation.ts";
import type {
  EngineSettings,
  GeneratedToken,
  ModelRequest,
  RunFiles,
  TrainingEvent,
  TrainingRequest,
} from "../../../web/engine/protocol.ts";

type Settings = Partial<EngineSettings>;

/** Calls of the page return text: what binary data there is goes in base64. */
export type Encoded = readonly (readonly [string, string])[];

const encode = (bytes: Uint8Array): string => {
  let letters = "";
  for (let at = 0; at < bytes.length; at += 4096) letters += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(letters);
};
const decode = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const encodeFiles = (files: RunFiles): Encoded => [...files].map(([path, bytes]) => [path, encode(bytes)]);
const given = (files: Encoded) => ({ kind: "files", files: decodeFiles(files) }) as const;
const decodeFiles = (files: Encoded): RunFiles => new Map(files.map(([path, text]) => [path, decode(text)]));

/** A request whose files come from outside. */
type TrainCall = Omit<TrainingRequest, "run"> & {
  readonly run:
    | Extract<TrainingRequest["run"], { kind: "new" }>
    | { readonly kind: "resume"; readonly files: Encoded; readonly text?: never };
};

const isOver = ({ kind }: TrainingEvent) => kind === "done" || kind === "stopped" || kind === "failed";

/** Trains to the end; `at` says what to do after a step. */
async function train(
  settings: Settings,
  { run, ...request }: TrainCall,
  at: Readonly<Record<number, "stop" | "pause and snapshot">> = {},
) {
  const engine = await Engine.start(settings);
  try {
    const events: TrainingEvent[] = [];
    let training: RunningTraining | undefined;
    let paused: Promise<Encoded> | undefined;
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const whole = run.kind === "new" ? run : ({ kind: "resume", from: given(run.files) } as const);
    training = await engine.train({ ...request, run: whole }, (event) => {
      events.push(event);
      if (event.kind === "step" && at[event.step] === "stop") void training!.stop();
      if (event.kind === "step" && at[event.step] === "pause and snapshot") paused = snapshotPaused(training!);
      if (isOver(event)) end();
    });
    await ended;
    return {
      info: engine.info,
      training: training.info,
      events,
      files: encodeFiles(await training.snapshot()),
      paused: (await paused) ?? null,
    };
  } finally {
    engine.close();
  }
}

async function snapshotPaused(training: RunningTraining): Promise<Encoded> {
  await training.pause();
  const files = encodeFiles(await training.snapshot());
  await training.resume();
  return files;
}

type ModelCall = Omit<ModelRequest, "source"> & { readonly files: Encoded };

async function withModel<Result>(
  settings: Settings,
  { files, ...request }: ModelCall,
  use: (model: Awaited<ReturnType<Engine["load"]>>, engine: Engine) => Promise<Result>,
): Promise<Result> {
  const engine = await Engine.start(settings);
  try {
    const source = { kind: "run", name: "model", from: given(files) } as const;
    return await use(await engine.load({ ...request, source }), engine);
  } finally {
    engine.close();
  }
}

async function written(model: Awaited<ReturnType<Engine["load"]>>, prompt: string, options: CompletionOptions) {
  const tokens: GeneratedToken[] = [];
  const stream = model.generate(prompt, options);
  let next = await stream.next();
  for (; !next.done; next = await stream.next()) {
    const { atMs: _, ...token } = next.value;
    tokens.push(token);
  }
  return { tokens, summary: next.value, info: model.info };
}

const generate = (settings: Settings, call: ModelCall, prompt: string, options: CompletionOptions) =>
  withModel(settings, call, (model) => written(model, prompt, options));

const inspect = (settings: Settings, call: ModelCall, text: string, rule?: Rule) =>
  withModel(settings, call, (model) => model.inspect(text, rule));

/** A model and its dense twin, one after the other. */
const twins = (settings: Settings, call: ModelCall, prompt: string, options: CompletionOptions) =>
  withModel(settings, call, async (model, engine) => {
    const twin = await engine.load({ source: { kind: "denseTwin", of: model.info.model }, warmUp: 4 });
    return { model: await written(model, prompt, options), twin: await written(twin, prompt, options) };
  });

/** Leaves a text early, then writes another one: what is left must not hold the next one up. */
const leaveEarly = (settings: Settings, call: ModelCall) =>
  withModel(settings, call, async (model) => {
    let seen = 0;
    for await (const _ of model.generate("", { tokens: 100_000 })) if (++seen === 3) break;
    return { seen, next: await written(model, "", { tokens: 4 }) };
  });

/** Saves, lists, loads, packs, unpacks and deletes a run. */
async function keep(name: string, files: Encoded) {
  const engine = await Engine.start();
  try {
    await engine.runs.save(name, given(files));
    await engine.runs.save(name, given(files));
    const listed = await engine.runs.list();
    const loaded = encodeFiles(await engine.runs.load(name));
    const blob = await engine.pack(name, { kind: "stored", name });
    const archive = new Uint8Array(await blob.arrayBuffer());
    const unpacked = await engine.unpack(blob);
    await engine.runs.delete(name);
    const left = await engine.runs.list();
    return {
      listed,
      loaded,
      archive: encode(archive),
      unpacked: { ...unpacked, files: encodeFiles(unpacked.files) },
      left,
    };
  } finally {
    engine.close();
  }
}

/** What fails, in the page's words. */
async function failure(work: () => Promise<unknown>) {
  try {
    await work();
  } catch (error) {
    if (error instanceof EngineFailed) return { code: error.code, message: error.message, problems: error.problems };
    throw error;
  }
  throw new Error("it must fail, got success");
}

const failsToStart = (settings: Settings) => failure(async () => (await Engine.start(settings)).close());
const failsToTrain = (call: TrainCall) => failure(() => train({}, call));
const failsToLoad = (call: ModelCall) => failure(() => withModel({}, call, async () => {}));
const failsToUnpack = (archive: string) =>
  failure(async () => {
    const engine = await Engine.start();
    try {
      await engine.unpack(new Blob([decode(archive)]));
    } finally {
      engine.close();
    }
  });

/** What is wrong with a run of so many bytes, and what is left of it in the browser's storage. */
async function failsToSave(name: string, bytes: number) {
  const engine = await Engine.start();
  const files = new Map([
    ...["config.json", "tokenizer.json"].map((file) => [file, new TextEncoder().encode("{}")] as const),
    ["checkpoints/weights.safetensors", new Uint8Array(bytes)] as const,
  ]);
  try {
    const { code, message } = await failure(() => engine.runs.save(name, { kind: "files", files }));
    const runs = await (await navigator.storage.getDirectory()).getDirectoryHandle("mod-runs");
    const left: string[] = [];
    for await (const entry of runs.keys()) left.push(entry);
    return { code, message, left };
  } finally {
    engine.close();
  }
}

/** A model of a training under way, and the run that goes on from the browser's storage. */
async function chain(call: Extract<TrainCall["run"], { kind: "new" }>) {
  const engine = await Engine.start({ threads: 1 });
  try {
    const first = await trainingOf(engine, { name: "chain", run: call, saveAs: "chain" }, 3);
    const model = await engine.load({ source: { kind: "run", name: "now", from: first.training.source } });
    const text = await written(model, "the", { tokens: 4, temperature: 0 });
    await first.training.stop();
    await first.ended;
    const stored = { kind: "stored", name: "chain" } as const;
    const second = await trainingOf(engine, { name: "chain", run: { kind: "resume", from: stored } }, undefined);
    await second.ended;
    return { text, first: first.events, second: second.events };
  } finally {
    engine.close();
  }
}

/** A training, once it has come to a step or to its end. */
async function trainingOf(engine: Engine, request: TrainingRequest, step: number | undefined) {
  const events: TrainingEvent[] = [];
  let [come, end] = [() => {}, () => {}];
  const there = new Promise<void>((resolve) => {
    come = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const training = await engine.train(request, (event) => {
    events.push(event);
    if (step === undefined || (event.kind === "step" && event.step === step)) come();
    if (isOver(event)) end();
  });
  await there;
  return { training, events, ended };
}

const api = {
  ...{ ensureIsolated, train, chain, keep, generate, inspect, twins, leaveEarly },
  ...{ failsToStart, failsToTrain, failsToLoad, failsToSave, failsToUnpack },
};
export type PageApi = typeof api;
Object.assign(globalThis, { api });
