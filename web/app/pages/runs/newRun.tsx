import { useEffect, useRef, useState } from "preact/hooks";
import type { PresetSummary, RunSummary, StartRun } from "../../../../src/ui/api.ts";
import { startRun } from "../../data/server.ts";
import { sentence } from "../../format.ts";
import { GATE_OPTIONS } from "../../gates.ts";
import { Field, Notice, NumberField, SelectField } from "../../ui/controls.tsx";

interface NewRunProps {
  readonly presets: readonly PresetSummary[];
  readonly runs: readonly RunSummary[];
  readonly onClose: () => void;
  readonly onStarted: (id: string) => void;
}

/** Asks what to train, and starts it. */
export function NewRunDialog({ presets, runs, onClose, onStarted }: NewRunProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [wish, setWish] = useState({
    name: unusedName(runs),
    preset: "tiny-mod",
    steps: "",
    capacity: "12.5",
    gate: "linear",
    seed: "0",
    data: "",
  });
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => dialog.current!.showModal(), []);
  const set = (key: keyof typeof wish) => (value: string) => setWish((old) => ({ ...old, [key]: value }));
  const preset = presets.find(({ name }) => name === wish.preset);
  const { isRouted = true, isLearned = true } = preset ?? {};
  const submit = async (event: Event) => {
    event.preventDefault();
    setProblem(null);
    try {
      const { id } = await startRun(requestOf(wish, isRouted, isLearned));
      onStarted(id);
      onClose();
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="new-run-title" onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id="new-run-title">New run</h2>
        <Field label="Name" hint="A folder of this name is made in the runs folder.">
          {(id) => (
            <input
              id={id}
              required
              pattern="[A-Za-z0-9][A-Za-z0-9_.\-]*"
              maxLength={64}
              value={wish.name}
              onInput={(event) => set("name")(event.currentTarget.value)}
            />
          )}
        </Field>
        <SelectField
          label="Preset"
          value={wish.preset}
          options={presets.map(({ name }) => ({ value: name, text: name }))}
          onChange={set("preset")}
          {...(preset && { hint: sentence(preset.summary) })}
        />
        <div class="field-row">
          <NumberField label="Steps" min={1} value={wish.steps} onChange={set("steps")} hint="Empty: the preset's." />
          <NumberField label="Seed" min={0} value={wish.seed} onChange={set("seed")} />
        </div>
        {isRouted && (
          <div class="field-row">
            <NumberField
              label="Capacity, %"
              min={1}
              max={100}
              step="any"
              value={wish.capacity}
              onChange={set("capacity")}
            />
            {isLearned && <SelectField label="Gate" value={wish.gate} options={GATE_OPTIONS} onChange={set("gate")} />}
          </div>
        )}
        <Field
          label="Text to train on"
          hint="Files or folders below the folder that mod ui runs in, apart by commas. Empty: two centuries of State of the Union addresses."
        >
          {(id) => <input id={id} value={wish.data} onInput={(event) => set("data")(event.currentTarget.value)} />}
        </Field>
        {problem !== null && <Notice kind="problem">{problem}</Notice>}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={() => dialog.current!.close()}>
            Cancel
          </button>
          <button type="submit" class="button is-main">
            Start
          </button>
        </div>
      </form>
    </dialog>
  );
}

function requestOf(wish: Readonly<Record<string, string>>, isRouted: boolean, isLearned: boolean): StartRun {
  const data = wish
    .data!.split(",")
    .map((part) => part.trim())
    .filter(Boolean);
  return {
    ...{ name: wish.name!, preset: wish.preset!, seed: Number(wish.seed) },
    ...(wish.steps !== "" && { steps: Number(wish.steps) }),
    ...(isRouted && { capacityRatio: Number(wish.capacity) / 100 }),
    ...(isLearned && { gate: wish.gate! }),
    ...(data.length > 0 && { data }),
  };
}

function unusedName(runs: readonly RunSummary[]): string {
  const taken = new Set(runs.map(({ id }) => id));
  for (let i = 1; ; i++) if (!taken.has(`run-${i}`)) return `run-${i}`;
}
