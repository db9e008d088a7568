import type { CausalRule } from "../model/causalRule.ts";
import type { Rule } from "../model/rules.ts";
import { openSavedModel } from "../run/openSavedModel.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { chooseRule } from "../sample/chooseRule.ts";
import { inspectText } from "../sample/inspector.ts";
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
/** Used last comes last; with the number of texts under way. */
const models = new Map<string, { readonly model: Promise<LanguageModel>; texts: number }>();
const cancels = new Map<number, AbortController>();

const send = (answer: ModelAnswer): void => void process.send!(answer);

async function inspect(dir: string, { text, rule }: InspectRequest): Promise<InspectAnswer> {
  refuseLinks(dir, "inspect");
  const saved = openSavedModel(dir);
  return inspectText(saved, text, chooseRule(saved, rule as Rule | undefined), runtime);
}

async function* generate(dir: string, request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerateLine> {
  const { prompt, rule, ...options } = request;
  const { model, leave } = await enter(dir, rule as CausalRule | undefined);
  const started = performance.now();
  try {
    for await (const token of model.generate(prompt, { ...options, signal })) {
      const { text, logProbability, routedLayers, finish } = token;
      const atMs = performance.now() - started;
      yield { kind: "token", text, logProbability, routedLayers, atMs, ...(finish && { finish }) };
    }
  } finally {
    leave();
  }
}

/** An open model; weights that training has replaced since are read anew. Give it back with `leave`. */
async function enter(dir: string, rule: CausalRule | undefined): Promise<{ model: LanguageModel; leave(): void }> {
  refuseLinks(dir, "generate");
  const key = JSON.stringify([dir, rule, fingerprint(dir)]);
  const open = models.get(key) ?? { model: loadModel(dir, { runtime, ...(rule && { rule }) }), texts: 0 };
  models.delete(key);
  models.set(key, open);
  open.texts++;
  open.model.catch(() => models.delete(key));
  return {
    model: await open.model,
    leave: () => {
      open.texts--;
      closeOldest();
    },
  };
}

/** Models with a text under way stay. */
function closeOldest(): void {
  const idle = [...models].filter(([, { texts }]) => texts === 0);
  for (const [key, { model }] of idle.slice(0, Math.max(0, models.size - KEPT_MODELS))) {
    models.delete(key);
    void model.then((each) => each.close());
  }
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
