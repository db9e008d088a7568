import { useState } from "preact/hooks";
import { Field, Notice } from "../../ui/controls.tsx";
import { saveAs } from "./saveAs.ts";
import { keepableStep, type TrainingSession } from "./session.ts";

interface KeepProps {
  readonly session: TrainingSession;
  /** The name that it is given at first. */
  readonly name: string;
  readonly onSaved: () => void;
}

interface Told {
  readonly kind: "note" | "problem";
  readonly text: string;
}

/** Ways to keep what was trained: in the browser, or as a file that goes on elsewhere. */
export function Keep({ session, name: first, onSaved }: KeepProps) {
  const { training } = session;
  const [name, setName] = useState(first);
  const [told, setTold] = useState<Told | null>(null);
  const act = (work: () => Promise<string>) => async () => {
    // What is kept is of this step or of one after it.
    const step = keepableStep(session.view.value);
    setTold({ kind: "note", text: "After the step under way…" });
    await work().then(
      (text) => {
        session.kept(step);
        setTold({ kind: "note", text });
      },
      (error: Error) => setTold({ kind: "problem", text: error.message }),
    );
  };
  const save = act(async () => {
    await training.save(name);
    onSaved();
    return `Saved in this browser as ${name}.`;
  });
  const download = act(async () => {
    saveAs(await training.archive(name), `${name}.zip`);
    return `Downloaded as ${name}.zip.`;
  });
  return (
    <div class="keep">
      <Field label="Name">
        {(id) => (
          <input
            id={id}
            required
            pattern="[A-Za-z0-9][A-Za-z0-9_.\-]*"
            maxLength={80}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      </Field>
      <button type="button" class="button" disabled={name === ""} onClick={save}>
        Save in this browser
      </button>
      <button type="button" class="button" disabled={name === ""} onClick={download}>
        Download as .zip
      </button>
      {told !== null && <Notice kind={told.kind}>{told.text}</Notice>}
      <GoOnElsewhere name={name} />
    </div>
  );
}

/** How a download goes on. */
export const GoOnElsewhere = ({ name }: { name: string }) => (
  <p class="hint">
    The .zip is a run folder. Unpacked, it goes on with <code>npx mod train --resume {name}</code>
  </p>
);
