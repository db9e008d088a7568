import { useMemo, useState } from "preact/hooks";
import type { TextSource } from "../../engine.ts";
import { bytes } from "../../format.ts";
import { Field, forgetFiles, Notice, Segmented } from "../../ui/controls.tsx";

/** More text than this takes longer to prepare than a tab's training lasts. */
const MOST_BYTES = 64 << 20;

const CHOICES = ["sotu-recent", "sotu", "files"] as const;
type Choice = (typeof CHOICES)[number];

const TEXTS: Readonly<Record<Choice, string>> = {
  "sotu-recent": "State of the Union since 1981",
  sotu: "All since 1790",
  files: "Your own files",
};

interface TextFieldProps {
  readonly text: TextSource;
  readonly onChange: (text: TextSource) => void;
}

/** A text of the site, or one's own. */
export function TextField({ text, onChange }: TextFieldProps) {
  const choose = (choice: Choice) =>
    onChange(choice === "files" ? { kind: "files", files: [] } : { kind: "corpus", name: choice });
  return (
    <div class="corpus">
      <Segmented
        label="Text to train on"
        choices={CHOICES}
        value={text.kind === "corpus" ? text.name : "files"}
        text={(choice) => TEXTS[choice]}
        onChange={choose}
      />
      {text.kind === "files" && <FilesField text={text} onChange={onChange} />}
    </div>
  );
}

interface FilesFieldProps {
  readonly text: Extract<TextSource, { kind: "files" }>;
  readonly onChange: (text: TextSource) => void;
}

/** Files of text, each of them a document. */
export function FilesField({ text: { files }, onChange }: FilesFieldProps) {
  const [problem, setProblem] = useState<string | null>(null);
  const size = useMemo(() => new Blob(files.map(({ content }) => content as BlobPart)).size, [files]);
  const read = async (input: HTMLInputElement) => {
    const chosen = [...(input.files ?? [])];
    if (chosen.length === 0) return;
    setProblem(null);
    // Nothing starts from files that are not read yet, or are no texts.
    input.setCustomValidity("The files are being read.");
    try {
      onChange({ kind: "files", files: await readTexts(chosen) });
      input.setCustomValidity("");
    } catch (error) {
      onChange({ kind: "files", files: [] });
      input.setCustomValidity((error as Error).message);
      setProblem((error as Error).message);
    }
  };
  const hint =
    files.length === 0
      ? "Plain text in UTF-8; several files are several documents."
      : `${files.map(({ name }) => name).join(", ")}: ${bytes(size)}`;
  return (
    <>
      <Field label="Text files" hint={hint}>
        {(id) => (
          <input
            id={id}
            type="file"
            accept=".txt,.md,text/plain"
            multiple
            required={files.length === 0}
            onClick={forgetFiles}
            onChange={(event) => read(event.currentTarget)}
          />
        )}
      </Field>
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
    </>
  );
}

/** Bytes */
const sizeOf = (files: readonly File[]): number => files.reduce((sum, file) => sum + file.size, 0);

/** The texts of files, if they are texts: said here, before anything is prepared. */
export async function readTexts(files: readonly File[]): Promise<{ name: string; content: string }[]> {
  const size = sizeOf(files);
  if (size > MOST_BYTES) {
    throw new Error(
      `files must have at most ${bytes(MOST_BYTES)}, got ${bytes(size)}; leave some out, or use mod train`,
    );
  }
  return Promise.all(files.map(async (file) => ({ name: file.name, content: await readText(file) })));
}

async function readText(file: File): Promise<string> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} must be text in UTF-8, got other bytes; save it as UTF-8`);
  }
  if (text.trim() === "") throw new Error(`${file.name} must hold text, got none; choose another file`);
  return text;
}
