import { useState } from "preact/hooks";
import { useAsync } from "../../data/useAsync.ts";
import type { StoredRuns } from "../../engine.ts";
import { short } from "../../format.ts";
import { freeName } from "../../freeName.ts";
import { Field, Notice } from "../../ui/controls.tsx";
import { saveAs } from "./saveAs.ts";
import { keepableStep, type TrainingSession } from "./session.ts";

interface KeepProps {
  readonly session: TrainingSession;
  readonly stored: StoredRuns;
  /** The name that it is given at first, or one like it that is free. */
  readonly name: string;
  /** The step that is kept, where the training went on after it and failed. */
  readonly asOf: number | null;
  readonly onSaved: () => void;
}

interface Told {
  readonly kind: "note" | "problem";
  readonly text: string;
}

/** Ways to keep what was trained: in the browser, or as a file that goes on elsewhere. */
export function Keep({ session, stored, name: first, asOf, onSaved }: KeepProps) {
  const { training, ownNames } = session;
  const list = useAsync(() => stored.list(), []);
  const [typed, setTyped] = useState([...ownNames].at(-1));
  const [told, setTold] = useState<Told | null>(null);
  const name = typed ?? freeName(first, list.state === "done" ? list.value.map((run) => run.name) : []);
  const save = async () => {
    const isOfAnother = !ownNames.has(name) && (await stored.list()).some((run) => run.name === name);
    if (isOfAnother && !confirm(`Replace ${name}, another run that this browser keeps?`)) return null;
    await training.save(name);
    ownNames.add(name);
    onSaved();
    return `Saved in this browser as ${name}.`;
  };
  const download = async () => {
    saveAs(await training.archive(name), `${name}.zip`);
    return `Downloaded as ${name}.zip.`;
  };
  const keep = async (event: SubmitEvent) => {
    event.preventDefault();
    const work = (event.submitter as HTMLButtonElement | null)?.value === "download" ? download : save;
    // What is kept is of this step or of one after it.
    const step = keepableStep(session.view.value);
    setTold({ kind: "note", text: "After the step under way…" });
    try {
      const text = await work();
      if (text !== null) session.kept(step);
      setTold(text === null ? null : { kind: "note", text });
    } catch (error) {
      setTold({ kind: "problem", text: (error as Error).message });
    }
  };
  return (
    <form class="keep" onSubmit={keep}>
      <Field label="Name">
        {(id) => (
          <input
            id={id}
            required
            pattern="[A-Za-z0-9][A-Za-z0-9_.\-]*"
            maxLength={80}
            value={name}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        )}
      </Field>
      <button type="submit" class="button" value="save">
        Save in this browser
      </button>
      <button type="submit" class="button" value="download">
        Download as .zip
      </button>
      {asOf !== null && <p class="hint">As of step {short(asOf)}, its last checkpoint.</p>}
      {told !== null && <Notice kind={told.kind}>{told.text}</Notice>}
      <GoOnElsewhere name={name} />
    </form>
  );
}

/** How a download goes on. */
export const GoOnElsewhere = ({ name }: { name: string }) => (
  <p class="hint">
    The .zip is a run folder. Unpacked, it goes on with <code>npx mod train --resume {name}</code>
  </p>
);
