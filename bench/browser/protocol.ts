import { initialParameters, type ModelConfig, modelSchema, type NamedArrays } from "../../src/browser.ts";

/** What a worker measures: training steps of one model on one batch. */
export interface StepQuestion {
  readonly model: ModelConfig;
  readonly batchSize: number;
  /** As many as an engine may use. */
  readonly threads: number;
  /** Steps before those that are timed. */
  readonly warm: number;
  readonly steps: number;
  /** Address of the folder with what engines load themselves. */
  readonly assets: string;
}

export interface StepAnswer {
  readonly version: string;
  /** What the engine says it uses; null where it does not say. */
  readonly threads: number | null;
  /** Of all steps, nats a token. */
  readonly losses: readonly number[];
  /** Of the timed steps. */
  readonly stepMs: readonly number[];
}

/** Steps of an engine: each gives the loss before its update. */
export interface Engine {
  readonly version: string;
  readonly threads: number | null;
  step(step: number): Promise<number>;
}

/** AdamW as in training here: docs/MODEL.md. */
export const OPTIMIZER = { rate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 } as const;
export const SEED = 0;

/** What every engine begins with. */
export const parametersOf = (model: ModelConfig): NamedArrays => initialParameters(modelSchema.parse(model), SEED);

/** Ids of the batch, [B, T]; each token is its own target, as in the other benchmarks. */
export const tokensOf = ({ model, batchSize }: StepQuestion): Int32Array =>
  Int32Array.from({ length: batchSize * model.seqLen }, (_, i) => (i * 7919) % model.vocabSize);

/** The script of a worker: answers one question. */
export function answerWith(create: (question: StepQuestion) => Promise<Engine>): void {
  const scope = globalThis as unknown as {
    onmessage: (event: { readonly data: StepQuestion }) => void;
    postMessage(answer: StepAnswer | { readonly error: string }): void;
  };
  scope.onmessage = async ({ data: question }) => {
    try {
      scope.postMessage(await measure(await create(question), question));
    } catch (error) {
      scope.postMessage({ error: (error as Error).stack ?? String(error) });
    }
  };
}

async function measure(engine: Engine, { warm, steps }: StepQuestion): Promise<StepAnswer> {
  const losses: number[] = [];
  const stepMs: number[] = [];
  for (let step = 1; step <= warm + steps; step++) {
    const started = performance.now();
    losses.push(await engine.step(step));
    if (step > warm) stepMs.push(performance.now() - started);
  }
  return { version: engine.version, threads: engine.threads, losses, stepMs };
}
