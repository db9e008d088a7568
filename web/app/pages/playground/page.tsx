import { useEffect, useState } from "preact/hooks";
import type { OpenModel } from "../../engine.ts";
import { Field, Notice } from "../../ui/controls.tsx";
import { useModel } from "../../ui/modelPicker.tsx";
import { useParam } from "../../url.ts";
import { ADDRESS_CHARACTERS, MOST_CHARACTERS, RuleField, usable } from "../microscope/page.tsx";
import { useDrawSettings } from "./settings.tsx";
import type { Twin } from "./stream.ts";
import { StreamedTextView } from "./textView.tsx";
import { twinOf, useGeneration, wishesFor } from "./useGeneration.ts";

const PROMPT = "My fellow citizens";

export function PlaygroundPage() {
  const { model, picker } = useModel();
  const [kept, keep] = useParam("prompt", PROMPT);
  const [prompt, setPrompt] = useState(kept);
  const [rule, setRule] = useParam("rule");
  const [twin, setTwin] = useParam("twin", "yes");
  const { settings, fields } = useDrawSettings();
  const { texts, problem, isWorking, start, stop } = useGeneration();
  // Another model: this one is given back.
  useEffect(() => stop, [model]);
  const generate = async (event: Event) => {
    event.preventDefault();
    if (model === null) return;
    keep(prompt.length <= ADDRESS_CHARACTERS ? prompt : PROMPT);
    await start(model, prompt, settings, wishesFor(model, usable(rule, model), twin === "yes"));
  };
  return (
    <>
      <h1>Playground</h1>
      <p class="lead">A text goes on token by token; each is shaded by how many blocks computed it.</p>
      <form class="look-form" onSubmit={generate}>
        <div class="look-choices">
          {picker}
          <RuleField model={model && withoutTopk(model)} rule={rule} onChange={setRule} />
        </div>
        <PromptField prompt={prompt} onInput={setPrompt} />
        <details class="settings" open>
          <summary>How tokens are drawn</summary>
          <div class="settings-grid">{fields}</div>
        </details>
        <div class="actions">
          <button type="submit" class="button is-main" disabled={model === null || isWorking}>
            {isWorking ? "Generating…" : "Generate"}
          </button>
          <button type="button" class="button" disabled={!isWorking} onClick={stop}>
            Stop
          </button>
          {model !== null && twinOf(model) !== null && (
            <TwinBox
              text={TWIN_WORDS[twinOf(model)!]}
              isOn={twin === "yes"}
              onChange={(isOn) => setTwin(isOn ? "yes" : "no")}
            />
          )}
        </div>
      </form>
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
      <div class={texts.length > 1 ? "streams is-pair" : "streams"}>
        {texts.map((text) => (
          <StreamedTextView key={text.title} text={text} other={texts.find((each) => each !== text)} />
        ))}
      </div>
    </>
  );
}

const PromptField = ({ prompt, onInput }: { prompt: string; onInput: (prompt: string) => void }) => (
  <Field label="Prompt">
    {(id) => (
      <textarea
        id={id}
        rows={3}
        maxLength={MOST_CHARACTERS}
        value={prompt}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    )}
  </Field>
);

const TWIN_WORDS: Readonly<Record<Twin, string>> = {
  through: "Then once more with every block computed, for its speed",
  random: "Then its dense twin, for its speed",
};

interface TwinBoxProps {
  readonly text: string;
  readonly isOn: boolean;
  readonly onChange: (isOn: boolean) => void;
}

const TwinBox = ({ text, isOn, onChange }: TwinBoxProps) => (
  <label class="check">
    <input type="checkbox" checked={isOn} onChange={(event) => onChange(event.currentTarget.checked)} />
    {text}
  </label>
);

/** Top-k sees the future: nothing can be sampled with it. */
const withoutTopk = ({ summary }: OpenModel): Pick<OpenModel, "summary"> => ({
  summary: { ...summary, rules: summary.rules.filter((rule) => rule !== "topk") },
});
