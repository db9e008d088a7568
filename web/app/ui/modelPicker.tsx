/** Which model: of a local run, of a run that the browser keeps, or from files. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { RunSummary } from "../../../src/ui/api.ts";
import { live } from "../data/live.ts";
import { useAsync } from "../data/useAsync.ts";
import type { OpenModel, StoredRun } from "../engine.ts";
import { loadEngine } from "../engineOf.ts";
import { bytes, short } from "../format.ts";
import { serverModel } from "../serverModel.ts";
import { useStore } from "../store.ts";
import { isLocal, useParam } from "../url.ts";
import { forgetFiles, Notice, SelectField } from "./controls.tsx";

const STORED = "stored:";
const FILES = "files";

export interface ChosenModel {
  readonly model: OpenModel | null;
  /** The controls that choose. */
  readonly picker: preact.JSX.Element;
}

/** The model that the address names, and the controls to choose another. */
export function useModel(): ChosenModel {
  const [wanted, setWanted] = useParam("model");
  const allRuns = useStore(live.runs);
  const runs = usableRuns(allRuns);
  const stored = useAsync(async () => (await loadEngine()).stored.list(), []);
  const [files, setFiles] = useState<OpenModel | null>(null);
  // Of the files tried last. Not of the model shown, which may come, and change, while files are read.
  const [filesProblem, setFilesProblem] = useState<string | null>(null);
  // Files are read for a while: what is opened or chosen meanwhile, on this page or another, counts.
  const turn = useRef(0);
  useEffect(() => () => void turn.current++, []);
  // Given back when others are opened, and with the page.
  useEffect(() => () => void files?.close(), [files]);
  const kept = stored.state === "done" ? stored.value : [];
  const id = wanted !== "" ? wanted : files !== null ? FILES : (runs[0]?.id ?? (kept[0] ? STORED + kept[0].name : ""));
  const fromStore = useStoredModel(id);
  const run = runs.find((each) => each.id === id);
  // The same object as long as it stands for the same run, which changes with every step.
  const fromServer = useMemo(() => (run === undefined ? null : serverModel(run)), [run?.id]);
  const model = id === FILES ? files : id.startsWith(STORED) ? fromStore.model : fromServer;
  const openFiles = async (list: readonly File[]) => {
    const own = ++turn.current;
    setFilesProblem(null);
    try {
      const opened = await (await loadEngine()).openFiles(list);
      if (own !== turn.current) return await opened.close();
      setFiles(opened);
      setWanted(FILES);
    } catch (error) {
      if (own === turn.current) setFilesProblem((error as Error).message);
    }
  };
  const choose = (next: string) => {
    turn.current++;
    setFilesProblem(null);
    setWanted(next);
  };
  const isKnown = id.startsWith(STORED) || (id !== FILES && isLocal() && allRuns === null);
  const isMissing = model === null && id !== "" && !isKnown;
  const missing = isMissing
    ? `${id === FILES ? "The files are" : `The run ${id} is`} not here any more; choose another.`
    : null;
  const problem = filesProblem ?? fromStore.problem ?? missing;
  const picker = <Picker {...{ id, runs, kept, files, problem, choose, openFiles }} />;
  return { model, picker };
}

/** Runs that have weights. */
const usableRuns = (runs: readonly RunSummary[] | null): RunSummary[] =>
  isLocal() ? (runs ?? []).filter(({ model, step }) => model !== null && step !== null) : [];

interface StoredModel {
  readonly model: OpenModel | null;
  /** Why it can't be opened. */
  readonly problem: string | null;
}

function useStoredModel(id: string): StoredModel {
  const [stored, setStored] = useState<StoredModel>({ model: null, problem: null });
  useEffect(() => {
    setStored({ model: null, problem: null });
    if (!id.startsWith(STORED)) return;
    let isCurrent = true;
    let opened: OpenModel | undefined;
    const open = async () => {
      const engine = await loadEngine();
      opened = await engine.stored.open(id.slice(STORED.length));
      if (isCurrent) setStored({ model: opened, problem: null });
      else await opened.close();
    };
    open().catch((error: Error) => isCurrent && setStored({ model: null, problem: error.message }));
    return () => {
      isCurrent = false;
      void opened?.close();
    };
  }, [id]);
  return stored;
}

interface PickerProps {
  readonly id: string;
  readonly runs: readonly RunSummary[];
  readonly kept: readonly StoredRun[];
  readonly files: OpenModel | null;
  readonly problem: string | null;
  readonly choose: (id: string) => void;
  readonly openFiles: (files: readonly File[]) => void;
}

function Picker({ id, runs, kept, files, problem, choose, openFiles }: PickerProps) {
  const options = [
    ...runs.map((run) => ({ value: run.id, text: `${run.id} — ${run.model!.family}, step ${short(run.step)}` })),
    ...kept.map((run) => ({ value: STORED + run.name, text: `${run.name} — in this browser, ${bytes(run.bytes)}` })),
    ...(files === null ? [] : [{ value: FILES, text: `${files.name} — from files` }]),
  ];
  return (
    <div class="model-picker">
      {options.length > 0 ? (
        <SelectField label="Model" value={id} options={options} onChange={choose} />
      ) : (
        <p class="quiet">
          No model yet: {isLocal() ? "train a run, or" : "train one on the page Train, or"} open a run folder, whole or
          as a .zip.
        </p>
      )}
      <FileButton text="Open a .zip or files…" onFiles={openFiles} />
      <FileButton text="Open a folder…" isFolder onFiles={openFiles} />
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
    </div>
  );
}

interface FileButtonProps {
  readonly text: string;
  readonly isFolder?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
}

const FileButton = ({ text, isFolder = false, onFiles }: FileButtonProps) => (
  <label class="button is-file">
    {text}
    <input
      class="visually-hidden"
      type="file"
      multiple
      {...(isFolder && { webkitdirectory: true })}
      onClick={forgetFiles}
      onChange={(event) => event.currentTarget.files?.length && onFiles([...event.currentTarget.files])}
    />
  </label>
);
