import { useEffect, useRef, useState } from "preact/hooks";
import type { GenerateOptions, OpenModel } from "../../engine.ts";
import { Field, Notice, NumberField } from "../../ui/controls.tsx";
import { useModel } from "../../ui/modelPicker.tsx";
import { useParam } from "../../url.ts";
import { RuleField, usable } from "../microscope/page.tsx";
import { emptyText, type StreamedText, streamText } from "./stream.ts";
import { StreamedTextView } from "./textView.tsx";

const PROMPT = "My fellow citizens";
/** Every block computes every token: what the dense model of the same shape costs. */
const DENSE_RULE = "through";

const SETTINGS = {
  tokens: { label: "Tokens", initial: "120", min: 1, max: 2000, step: 1 },
  temperature: { label: "Temperature", initial: "0.8", min: 0, max: 5, step: "any" },
  topP: { label: "Top-p", initial: "0.95", min: 0, max: 1, step: "any" },
  topK: { label: "Top-k (0: off)", initial: "0", min: 0, step: 1 },
  minP: { label: "Min-p", initial: "0", min: 0, max: 1, step: "any" },
  repetitionPenalty: { label: "Repetition penalty", initial: "1", min: 0.1, max: 10, step: "any" },
  seed: { label: "Seed", initial: "0", min: 0, step: 1 },
} as const;
type Setting = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as Setting[];

interface Settings {
  readonly values: Readonly<Record<Setting, string>>;
  readonly fields: preact.JSX.Element[];
}

function useSettings(): Settings {
  const pairs = NAMES.map((name) => [name, useParam(name, SETTINGS[name].initial)] as const);
  return {
    values: Object.fromEntries(pairs.map(([name, [value]]) => [name, value])) as Record<Setting, string>,
    fields: pairs.map(([name, [value, set]]) => {
      const { initial: _, ...field } = SETTINGS[name];
      return <NumberField key={name} {...field} value={value} onChange={set} />;
    }),
  };
}

export function PlaygroundPage() {
  const { model, picker } = useModel();
  const [kept, keep] = useParam("prompt", PROMPT);
  const [prompt, setPrompt] = useState(kept);
  const [rule, setRule] = useParam("rule");
  const [twin, setTwin] = useParam("twin", "yes");
  const settings = useSettings();
  const [texts, setTexts] = useState<readonly StreamedText[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const leave = useRef<AbortController | null>(null);
  const [isWorking, setWorking] = useState(false);
  useEffect(() => () => leave.current?.abort(), []);

  const generate = async (event: Event) => {
    event.preventDefault();
    if (model === null) return;
    leave.current = new AbortController();
    const { signal } = leave.current;
    keep(prompt.length < 1500 ? prompt : PROMPT);
    setProblem(null);
    setWorking(true);
    const wanted = wantedTexts(model, usable(rule, model), twin === "yes");
    setTexts(wanted.map(({ title, isTwin }) => emptyText(title, model, isTwin)));
    try {
      // One after the other: beside each other they would take each other's time.
      for (const [i, { rule: chosen }] of wanted.entries()) {
        const options = optionsOf(settings.values, chosen, signal);
        const put = (text: StreamedText) => setTexts((all) => all.map((old, j) => (j === i ? text : old)));
        await streamText(model, prompt, options, emptyText(wanted[i]!.title, model, wanted[i]!.isTwin), put);
        if (signal.aborted) break;
      }
    } catch (error) {
      if (!signal.aborted) setProblem((error as Error).message);
    } finally {
      setWorking(false);
    }
  };
  const isRouted = model?.summary.layers.some((kind) => kind !== "dense") ?? false;
  return (
    <>
      <h1>Playground</h1>
      <p class="lead">A text goes on token by token; each is shaded by how many blocks computed it.</p>
      <form class="look-form" onSubmit={generate}>
        <div class="look-choices">
          {picker}
          <RuleField model={model && withoutTopk(model)} rule={rule} onChange={setRule} />
        </div>
        <Field label="Prompt">
          {(id) => (
            <textarea id={id} rows={3} value={prompt} onInput={(event) => setPrompt(event.currentTarget.value)} />
          )}
        </Field>
        <details class="settings" open>
          <summary>How tokens are drawn</summary>
          <div class="settings-grid">{settings.fields}</div>
        </details>
        <div class="actions">
          <button type="submit" class="button is-main" disabled={model === null || isWorking}>
            {isWorking ? "Generating…" : "Generate"}
          </button>
          <button type="button" class="button" disabled={!isWorking} onClick={() => leave.current?.abort()}>
            Stop
          </button>
          {isRouted && (
            <label class="check">
              <input
                type="checkbox"
                checked={twin === "yes"}
                onChange={(event) => setTwin(event.currentTarget.checked ? "yes" : "no")}
              />
              Then once more with every block computed, for its speed
            </label>
          )}
        </div>
      </form>
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
      <div class={texts.length > 1 ? "streams is-pair" : "streams"}>
        {texts.map((text) => (
          <StreamedTextView key={text.title} text={text} prompt={prompt} other={texts.find((each) => each !== text)} />
        ))}
      </div>
    </>
  );
}

/** Top-k sees the future: nothing can be sampled with it. */
const withoutTopk = (model: OpenModel): OpenModel => ({
  ...model,
  summary: { ...model.summary, rules: model.summary.rules.filter((rule) => rule !== "topk") },
});

function wantedTexts(model: OpenModel, rule: string | undefined, hasTwin: boolean) {
  const isRouted = model.summary.layers.some((kind) => kind !== "dense");
  const own = { title: isRouted ? "Routed" : "Dense", rule, isTwin: false };
  const twin = { title: "Every block computed", rule: DENSE_RULE, isTwin: true };
  return isRouted && hasTwin && rule !== DENSE_RULE ? [own, twin] : [own];
}

function optionsOf(values: Settings["values"], rule: string | undefined, signal: AbortSignal): GenerateOptions {
  const numbers = Object.fromEntries(NAMES.map((name) => [name, Number(values[name])])) as Record<Setting, number>;
  return { ...numbers, ...(rule !== undefined && { rule }), signal };
}
