import { useState } from "preact/hooks";
import { hasExperts, isRouted } from "../../../../src/model/layerKind.ts";
import type { Inspection, OpenModel } from "../../engine.ts";
import { Field, Notice, SelectField } from "../../ui/controls.tsx";
import { useModel } from "../../ui/modelPicker.tsx";
import { useParam } from "../../url.ts";
import { Results } from "./results.tsx";

const SAMPLE =
  "My fellow citizens, the state of our Union is strong. We have come through a year of great trial, and the people of the United States have shown once more what they can do when they work together.";

/** As much as the server takes; a model of some thousand tokens' context has no use for more. */
export const MOST_CHARACTERS = 20_000;

/** An address that holds more text than this cannot be sent on. */
export const ADDRESS_CHARACTERS = 1500;

type Look = { readonly inspection: Inspection; readonly model: OpenModel };

export function MicroscopePage() {
  const { model, picker } = useModel();
  const [kept, keep] = useParam("text", SAMPLE);
  const [text, setText] = useState(kept);
  const [rule, setRule] = useParam("rule");
  const [look, setLook] = useState<Look | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isWorking, setWorking] = useState(false);
  const inspect = async (event?: Event) => {
    event?.preventDefault();
    if (model === null) return;
    setWorking(true);
    setProblem(null);
    keep(text.length <= ADDRESS_CHARACTERS ? text : SAMPLE);
    try {
      setLook({ inspection: await model.inspect(text, usable(rule, model)), model });
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setWorking(false);
    }
  };
  return (
    <>
      <h1>Routing microscope</h1>
      <p class="lead">Which layers compute which tokens of a text, and what the router thought of each.</p>
      <form class="look-form" onSubmit={inspect}>
        <div class="look-choices">
          {picker}
          <RuleField model={model} rule={rule} onChange={setRule} />
        </div>
        <Field label="Text">
          {(id) => (
            <textarea
              id={id}
              rows={4}
              maxLength={MOST_CHARACTERS}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit" class="button is-main" disabled={model === null || isWorking}>
          {isWorking ? "Looking…" : "Look"}
        </button>
      </form>
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
      {look !== null && <Results inspection={look.inspection} model={look.model} />}
    </>
  );
}

/** A rule that the model knows; undefined for its own. */
export const usable = (rule: string, model: OpenModel): string | undefined =>
  model.summary.rules.includes(rule) ? rule : undefined;

/** Where experts are all that is chosen. */
const EXPERT_RULE_TEXTS: Readonly<Record<string, string>> = {
  topk: "as in training: experts have so many slots",
  through: "each token takes its experts, without slots",
};

const RULE_TEXTS: Readonly<Record<string, string>> = {
  topk: "top-k: as in training, sees the future",
  predictor: "predictor: its logit above 0",
  auxiliary: "router: its weight above 0",
  through: "through: every block computes every token",
  around: "around: no routed block computes any",
  random: "random",
};

interface RuleFieldProps {
  readonly model: Pick<OpenModel, "summary"> | null;
  readonly rule: string;
  readonly onChange: (rule: string) => void;
}

export function RuleField({ model, rule, onChange }: RuleFieldProps) {
  const { rules = [], rule: own = null, layers = [] } = model?.summary ?? {};
  const texts =
    layers.some(isRouted) || !layers.some(hasExperts) ? RULE_TEXTS : { ...RULE_TEXTS, ...EXPERT_RULE_TEXTS };
  const ownText = own === null || own === "dense" ? "the model's own" : `the model's own (${own})`;
  const options = [{ value: "", text: ownText }, ...rules.map((value) => ({ value, text: texts[value] ?? value }))];
  return (
    <SelectField label="Who decides" value={rules.includes(rule) ? rule : ""} options={options} onChange={onChange} />
  );
}
