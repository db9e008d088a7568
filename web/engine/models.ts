import {
  applicableRules,
  type CompletionOptions,
  chooseRule,
  countParameters,
  decodeSafetensors,
  denseTwin,
  fedParameters,
  type GenerativeModel,
  type Inspection,
  Inspector,
  initialParameters,
  type LanguageModel,
  localModel,
  MemoryRun,
  modelSchema,
  RULES,
  type Rule,
  type RunFiles,
  type Runtime,
  tokenizerFromJson,
} from "../../src/browser.ts";
import { EngineError } from "./failure.ts";
import { checkLoadable } from "./limits.ts";
import type { GenerationSummary, ModelInfo, ModelRequest, ModelSource, RunSource, TimedToken } from "./protocol.ts";

/** Tokens on their way to the page go together for this long: the page draws no faster. */
const MESSAGE_MS = 16;
/** Seed of the weights of models that are there to be timed. */
const TWIN_SEED = 0;

interface Described extends GenerativeModel {
  readonly name: string;
  readonly weights: ModelInfo["weights"];
}

/** A model in this worker, to sample from and to look into. */
export class EngineModel {
  readonly #described: Described;
  readonly #request: ModelRequest;
  readonly #runtime: Runtime;
  readonly #model: LanguageModel;
  readonly #inspectors = new Map<Rule, Inspector>();

  private constructor(described: Described, request: ModelRequest, runtime: Runtime, model: LanguageModel) {
    this.#described = described;
    this.#request = request;
    this.#runtime = runtime;
    this.#model = model;
  }

  static async load(request: ModelRequest, runtime: Runtime, engine: ModelPlaces): Promise<EngineModel> {
    const described = await describe(request.source, engine);
    checkLoadable(described.model);
    const { weights, calibrated, warmUp = 0 } = request;
    const model = await localModel(described, runtime, {
      ...(weights && { weights }),
      ...(calibrated !== undefined && { calibrated }),
      rule: chooseRule(described, request.rule),
    });
    for await (const _ of model.generate("", { tokens: warmUp }));
    return new EngineModel(described, request, runtime, model);
  }

  get info(): Omit<ModelInfo, "model"> {
    const { name, model, weights, step } = this.#described;
    const applicable = applicableRules(model);
    return {
      name,
      config: model,
      weights,
      parameters: countParameters(model),
      step: step >= 0 && weights === "trained" ? step : null,
      rule: chooseRule(this.#described, this.#request.rule),
      rules: applicable.includes("dense") ? ["through"] : RULES.filter((rule) => applicable.includes(rule)),
    };
  }

  /** Continues a prompt, and tells of the tokens as they come. */
  async generate(
    prompt: string,
    options: CompletionOptions,
    signal: AbortSignal,
    tell: (tokens: readonly TimedToken[]) => void,
  ): Promise<GenerationSummary> {
    const started = performance.now();
    const pace = { first: 0, last: 0, told: started, tokens: 0 };
    let waiting: TimedToken[] = [];
    let finish: GenerationSummary["finish"] = "cancelled";
    for await (const token of this.#model.generate(prompt, { ...options, signal })) {
      const now = performance.now();
      if (pace.tokens++ === 0) pace.first = now;
      pace.last = now;
      waiting.push({ ...token, atMs: now - started });
      finish = token.finish ?? finish;
      if (now - pace.told < MESSAGE_MS && token.finish === undefined) continue;
      tell(waiting);
      waiting = [];
      pace.told = now;
    }
    if (waiting.length > 0) tell(waiting);
    if (options.tokens === 0) finish = "length";
    const { first, last, tokens } = pace;
    const tokensPerSecond = tokens > 1 && last > first ? (1000 * (tokens - 1)) / (last - first) : null;
    return { finish, tokens, firstTokenMs: tokens > 0 ? first - started : 0, tokensPerSecond };
  }

  /** Looks at a text under a rule, the one that it samples with if not given. */
  async inspect(text: string, rule: Rule = this.info.rule): Promise<Inspection> {
    const known = this.#inspectors.get(rule);
    const inspector =
      known ?? (await Inspector.create(this.#described, chooseRule(this.#described, rule), this.#runtime));
    this.#inspectors.set(rule, inspector);
    return inspector.inspect(text, this.#described.parameters);
  }

  async close(): Promise<void> {
    await this.#model.close();
    for (const inspector of this.#inspectors.values()) await inspector.dispose();
  }

  /** The dense model of the same shape and tokenizer, with random weights. */
  get twin(): Described {
    const { name, model, tokenizer } = this.#described;
    const dense = denseTwin(model);
    const parameters = fedParameters(dense, initialParameters(dense, TWIN_SEED), "denseTwin");
    const what = `dense twin of ${name}`;
    return { dir: what, name: what, step: 0, model: dense, tokenizer, parameters, calibrations: {}, weights: "random" };
  }
}

/** Where an engine has what models are made from. */
export interface ModelPlaces {
  /** Files of a run folder. */
  readonly filesOf: (source: RunSource) => Promise<RunFiles>;
  /** The model that a dense twin is the twin of. */
  readonly twinOf: (model: number) => EngineModel;
}

async function describe(source: ModelSource, { filesOf, twinOf }: ModelPlaces): Promise<Described> {
  switch (source.kind) {
    case "run": {
      const { name, from, checkpoint } = source;
      const files = await filesOf(from);
      if (isExport(files)) return exported(name, files);
      return { ...MemoryRun.open(name, files).model(checkpoint), name, weights: "trained" };
    }
    case "denseTwin":
      return twinOf(source.of).twin;
  }
}

/** Run folders have their weights in checkpoints. */
const isExport = (files: RunFiles): boolean => files.has("model.safetensors") || files.has("step.onnx");

/** A model as `mod export --format safetensors` writes it. */
function exported(name: string, files: RunFiles): Described {
  if (!files.has("model.safetensors") && files.has("step.onnx")) {
    throw new EngineError(
      "file",
      `load: ${name} must be a run folder or an export as safetensors, got one as ONNX; use mod export --format safetensors`,
    );
  }
  const text = (file: string) => new TextDecoder().decode(needed(files, file, name));
  const parsed = modelSchema.safeParse(parseJson(text("config.json"), `${name}/config.json`));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new EngineError(
      "file",
      `load: ${name}/config.json must be a model's, got ${issue?.path.join(".")}: ${issue?.message}`,
    );
  }
  const tokenizer = tokenizerFromJson(parseJson(text("tokenizer.json"), `${name}/tokenizer.json`));
  const { arrays, metadata } = decodeSafetensors(needed(files, "model.safetensors", name), `${name}/model.safetensors`);
  const step = metadata.step === undefined ? -1 : Number(metadata.step);
  const parameters = fedParameters(parsed.data, arrays, `load: ${name}`);
  return { dir: name, name, step, model: parsed.data, tokenizer, parameters, calibrations: {}, weights: "trained" };
}

function needed(files: RunFiles, file: string, name: string): Uint8Array {
  const bytes = files.get(file);
  if (bytes !== undefined) return bytes;
  throw new EngineError("file", `load: ${name} must have ${file}, got none; choose a run folder or an export, whole`);
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EngineError(
      "file",
      `load: ${where} must be JSON, got ${JSON.stringify(text.slice(0, 40))}; export it again`,
      cause,
    );
  }
}
