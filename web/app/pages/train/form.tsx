import { useState } from "preact/hooks";
import { PRESETS } from "../../../../src/config/presets.ts";
import { useAsync } from "../../data/useAsync.ts";
import type { Corpus, Device, DeviceReport, Engine, TrainSettings } from "../../engine.ts";
import { bytes, sentence } from "../../format.ts";
import { GATE_OPTIONS } from "../../gates.ts";
import { Field, Notice, NumberField, Segmented, SelectField } from "../../ui/controls.tsx";
import { useParam } from "../../url.ts";

/** A tab has less time and memory than a machine. */
const SIZES = ["tiny", "small"];
const CHOICES = PRESETS.filter(({ name }) => SIZES.some((size) => name.startsWith(`${size}-`)));
/** More text than this takes longer to prepare than a tab's training lasts. */
const MOST_BYTES = 64 << 20;

interface TrainFormProps {
  readonly engine: Engine;
  readonly onStart: (settings: TrainSettings) => void;
}

/** What to train, on what, and where. */
export function TrainForm({ engine, onStart }: TrainFormProps) {
  const devices = useAsync(() => engine.devices(), []);
  const { choice, fields, summary } = useModelChoice();
  const [device, setDevice] = useParam("device");
  const [corpus, setCorpus] = useState<Corpus>({ kind: "bundled" });
  const [problem, setProblem] = useState<string | null>(null);
  if (devices.state === "waiting") return <p class="quiet">Looking at what this browser offers…</p>;
  if (devices.state === "failed") return <Notice kind="problem">{devices.message}</Notice>;
  const chosen: Device = device === "wasm" || !devices.value.webgpu ? "wasm" : "webgpu";
  const start = (event: Event) => {
    event.preventDefault();
    onStart({ ...choice, corpus, device: chosen });
  };
  return (
    <form class="panel train-form" onSubmit={start}>
      <CorpusField corpus={corpus} onChange={setCorpus} onProblem={setProblem} />
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
      <div class="settings-grid">{fields}</div>
      <p class="hint">{sentence(summary)}</p>
      <DeviceField report={devices.value} device={chosen} onChange={setDevice} />
      <div class="actions">
        <button type="submit" class="button is-main">
          Train
        </button>
      </div>
    </form>
  );
}

interface ModelChoice {
  readonly choice: Omit<TrainSettings, "corpus" | "device">;
  readonly fields: preact.JSX.Element;
  /** What the preset is. */
  readonly summary: string;
}

/** Preset, length and routing, as they stand in the address, and the fields to change them. */
function useModelChoice(): ModelChoice {
  const [preset, setPreset] = useParam("preset", "tiny-mod");
  const [steps, setSteps] = useParam("steps", "300");
  const [seed, setSeed] = useParam("seed", "0");
  const [capacity, setCapacity] = useParam("capacity", "12.5");
  const [gate, setGate] = useParam("gate", "linear");
  const { name, summary } = CHOICES.find((each) => each.name === preset) ?? CHOICES[0]!;
  const [isLearned, isRouted] = [name.endsWith("-mod"), !name.endsWith("-dense")];
  const presets = CHOICES.map((each) => ({ value: each.name, text: each.name }));
  return {
    summary,
    choice: {
      ...{ preset: name, steps: Number(steps), seed: Number(seed) },
      ...(isRouted && { capacityRatio: Number(capacity) / 100 }),
      ...(isLearned && { gate }),
    },
    fields: (
      <>
        <SelectField label="Preset" value={name} options={presets} onChange={setPreset} />
        <NumberField label="Steps" min={1} max={100_000} value={steps} onChange={setSteps} />
        <NumberField label="Seed" min={0} value={seed} onChange={setSeed} />
        {isRouted && (
          <NumberField label="Capacity, %" min={1} max={100} step="any" value={capacity} onChange={setCapacity} />
        )}
        {isLearned && <SelectField label="Gate" value={gate} options={GATE_OPTIONS} onChange={setGate} />}
      </>
    ),
  };
}

interface CorpusFieldProps {
  readonly corpus: Corpus;
  readonly onChange: (corpus: Corpus) => void;
  readonly onProblem: (problem: string | null) => void;
}

function CorpusField({ corpus, onChange, onProblem }: CorpusFieldProps) {
  const read = async (file: File) => {
    onProblem(null);
    try {
      onChange({ kind: "text", name: file.name, text: await readText(file) });
    } catch (error) {
      onProblem((error as Error).message);
    }
  };
  return (
    <div class="corpus">
      <Segmented
        label="Text"
        choices={["bundled", "text"] as const}
        value={corpus.kind}
        text={(kind) => (kind === "bundled" ? "State of the Union" : "Your own file")}
        onChange={(kind) => onChange(kind === "bundled" ? { kind } : { kind, name: "", text: "" })}
      />
      {corpus.kind === "text" && (
        <Field
          label="Text file"
          hint={corpus.name === "" ? "Plain text, UTF-8." : `${corpus.name}, ${bytes(corpus.text.length)}`}
        >
          {(id) => (
            <input
              id={id}
              type="file"
              accept=".txt,.md,text/plain"
              required={corpus.text === ""}
              onChange={(event) => event.currentTarget.files?.[0] && read(event.currentTarget.files[0])}
            />
          )}
        </Field>
      )}
    </div>
  );
}

/** The text of a file, if it is one. */
export async function readText(file: File): Promise<string> {
  if (file.size > MOST_BYTES) {
    throw new Error(
      `${file.name} must have at most ${bytes(MOST_BYTES)}, got ${bytes(file.size)}; cut it, or use mod train`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} must be text in UTF-8, got other bytes; save it as UTF-8`);
  }
  if (text.trim() === "") throw new Error(`${file.name} must hold text, got none; choose another file`);
  return text;
}

interface DeviceFieldProps {
  readonly report: DeviceReport;
  readonly device: Device;
  readonly onChange: (device: string) => void;
}

function DeviceField({ report, device, onChange }: DeviceFieldProps) {
  const threads = report.wasmThreads === 1 ? "one thread" : `${report.wasmThreads} threads`;
  if (!report.webgpu) {
    return (
      <Notice>
        Computed by WebAssembly on {threads}. WebGPU would be faster, but {report.webgpuProblem}
      </Notice>
    );
  }
  return (
    <Segmented
      label="Computed by"
      choices={["webgpu", "wasm"] as const}
      value={device}
      text={(each) => (each === "webgpu" ? "WebGPU" : `WebAssembly, ${threads}`)}
      onChange={onChange}
    />
  );
}
