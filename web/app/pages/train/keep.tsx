import { useState } from "preact/hooks";
import type { Training } from "../../engine.ts";
import { Field, Notice } from "../../ui/controls.tsx";
import { saveAs } from "./saveAs.ts";

interface KeepProps {
  readonly training: Training;
  /** The name that it is given at first. */
  readonly name: string;
  readonly onSaved: () => void;
}

interface Told {
  readonly kind: "note" | "problem";
  readonly text: string;
}

/** Ways to keep what was trained: in the browser, or as a file that goes on elsewhere. */
export function Keep({ training, name: first, onSaved }: KeepProps) {
  const [name, setName] = useState(first);
  const [told, setTold] = useState<Told | null>(null);
  const act = (work: () => Promise<string>) => async () => {
    setTold({ kind: "note", text: "After the step under way…" });
    await work().then(
      (text) => setTold({ kind: "note", text }),
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
