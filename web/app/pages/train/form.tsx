import { useState } from "preact/hooks";
import { useAsync } from "../../data/useAsync.ts";
import type { Device, DeviceReport, Engine, TextSource, TrainWish } from "../../engine.ts";
import { sentence } from "../../format.ts";
import { Store, useStore } from "../../store.ts";
import { Field, Notice, Segmented } from "../../ui/controls.tsx";
import { useParam } from "../../url.ts";
import { TextField } from "./textField.tsx";
import { useModelChoice } from "./useModelChoice.tsx";

/** What a training's routing is shown of, unless another is given. */
export const WATCHED = "My fellow citizens, the state of our Union is strong.";
/** A longer text would take more time to look at than the steps between. */
const MOST_WATCHED = 300;

/** Files stand in no address, and are still chosen after a training, or a look at another page. */
const chosenText = new Store<TextSource>({ kind: "corpus", name: "sotu-recent" });

interface TrainFormProps {
  readonly engine: Engine;
  readonly onStart: (wish: TrainWish) => void;
}

/** What to train, on what, and where. */
export function TrainForm({ engine, onStart }: TrainFormProps) {
  const devices = useAsync(() => engine.devices(), []);
  const { choice, fields, summary } = useModelChoice();
  const [device, setDevice] = useParam("device");
  const [kept, keep] = useParam("watch", WATCHED);
  const [watched, setWatched] = useState(kept);
  const text = useStore(chosenText);
  if (devices.state === "waiting") return <p class="quiet">Looking at what this browser offers…</p>;
  if (devices.state === "failed") return <Notice kind="problem">{devices.message}</Notice>;
  const chosen = deviceOf(device, devices.value);
  const start = (event: Event) => {
    event.preventDefault();
    keep(watched);
    onStart({ device: chosen, watched, run: { kind: "new", ...choice, text } });
  };
  return (
    <form class="panel train-form" onSubmit={start}>
      <TextField text={text} onChange={(next) => chosenText.set(next)} />
      <div class="settings-grid">{fields}</div>
      <p class="hint">{sentence(summary)}</p>
      <Field label="Text whose routing is shown as it trains">
        {(id) => (
          <input
            id={id}
            required
            maxLength={MOST_WATCHED}
            value={watched}
            onInput={(event) => setWatched(event.currentTarget.value)}
          />
        )}
      </Field>
      <DeviceField report={devices.value} device={chosen} onChange={setDevice} />
      <div class="actions">
        <button type="submit" class="button is-main">
          Train
        </button>
      </div>
    </form>
  );
}

/** The one that was chosen, where it is there; WebGPU, where it is there and nothing was chosen. */
export const deviceOf = (chosen: string, { webgpuProblem }: DeviceReport): Device =>
  webgpuProblem === null && chosen !== "cpu" ? "webgpu" : "cpu";

interface DeviceFieldProps {
  readonly report: DeviceReport;
  readonly device: Device;
  readonly onChange: (device: string) => void;
}

function DeviceField({ report: { webgpuProblem, threads }, device, onChange }: DeviceFieldProps) {
  const words = threads === 1 ? "one thread" : `${threads} threads`;
  if (webgpuProblem !== null) {
    return (
      <Notice>
        Computed by WebAssembly on {words}. WebGPU would compute on the graphics card, but there is {webgpuProblem}.
      </Notice>
    );
  }
  return (
    <Segmented
      label="Computed by"
      choices={["webgpu", "cpu"] as const}
      value={device}
      text={(each) => (each === "webgpu" ? "WebGPU" : `WebAssembly, ${words}`)}
      onChange={onChange}
    />
  );
}
