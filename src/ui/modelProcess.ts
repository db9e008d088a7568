import type { CausalRule } from "../model/causalRule.ts";
import type { Rule } from "../model/rules.ts";
import { openSavedModel } from "../run/savedModel.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { chooseRule } from "../sample/chooseRule.ts";
import { inspectText } from "../sample/inspect.ts";
import type { LanguageModel } from "../sample/languageModel.ts";
import { loadModel } from "../sample/loadModel.ts";
import type { GenerateLine, GenerateRequest, InspectAnswer, InspectRequest } from "./api.ts";
import type { ModelAnswer, ModelRequest } from "./models.ts";
import { fingerprint } from "./runSummary.ts";
import { refuseLinks } from "./runsFolder.ts";

/** Models that stay open for the next text. */
const KEPT_MODELS = 3;

const threads = process.argv[2] === undefined ? {} : { threads: Number(process.argv[2]) };
const runtime = nodeRuntime(threads);
const models = new Map<string, Promise<LanguageModel>>();
const cancels = new Map<number, AbortController>();

const send = (answer: ModelAnswer): void => void process.send!(answer);

async function inspect(dir: string, { text, rule }: InspectRequest): Promise<InspectAnswer> {
  refuseLinks(dir, "inspect");
  const saved = openSavedModel(dir);
  return inspectText(saved, text, chooseRule(saved, rule as Rule | undefined), runtime);
}

async function* generate(dir: string, request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerateLine> {
  const { prompt, rule, ...options } = request;
  const model = await modelFor(dir, rule as CausalRule | undefined);
  const started = performance.now();
  for await (const token of model.generate(prompt, { ...options, signal })) {
    const { text, logProbability, routedLayers, finish } = token;
    const atMs = performance.now() - started;
    yield { kind: "token", text, logProbability, routedLayers, atMs, ...(finish && { finish }) };
  }
}

/** An open model; weights that training has replaced since are read anew. */
async function modelFor(dir: string, rule: CausalRule | undefined): Promise<LanguageModel> {
  refuseLinks(dir, "generate");
  const key = JSON.stringify([dir, rule, fingerprint(dir)]);
  const model = models.get(key) ?? loadModel(dir, { runtime, ...(rule && { rule }) });
  models.delete(key);
  models.set(key, model);
  model.catch(() => models.delete(key));
  if (models.size > KEPT_MODELS) {
    const [oldest, old] = models.entries().next().value!;
    models.delete(oldest);
    await (await old).close();
  }
  return model;
}

async function answer(request: Exclude<ModelRequest, { kind: "cancel" }>): Promise<void> {
  const { call, dir } = request;
  const cancel = new AbortController();
  cancels.set(call, cancel);
  try {
    if (request.kind === "inspect") send({ call, kind: "value", value: await inspect(dir, request.request) });
    else for await (const value of generate(dir, request.request, cancel.signal)) send({ call, kind: "value", value });
    send({ call, kind: "end" });
  } catch (error) {
    send({ call, kind: "error", message: (error as Error).message });
  } finally {
    cancels.delete(call);
  }
}

process.on("message", (request: ModelRequest) => {
  if (request.kind === "cancel") cancels.get(request.call)?.abort();
  else void answer(request);
});
// The server is gone: nobody waits for an answer.
process.on("disconnect", () => process.exit(0));
