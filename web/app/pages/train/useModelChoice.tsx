import { PRESETS } from "../../../../src/config/presets.ts";
import type { TrainSettings } from "../../engine.ts";
import { GATE_OPTIONS } from "../../gates.ts";
import { NumberField, SelectField } from "../../ui/controls.tsx";
import { useParam } from "../../url.ts";

/** A tab has less time and memory than a machine. */
const SIZES = ["tiny", "small"];
const CHOICES = PRESETS.filter(({ name }) => SIZES.some((size) => name.startsWith(`${size}-`)));

export interface ModelChoice {
  readonly choice: Omit<TrainSettings, "text">;
  readonly fields: preact.JSX.Element;
  /** What the preset is. */
  readonly summary: string;
}

/** Preset, length and routing, as they stand in the address, and the fields to change them. */
export function useModelChoice(): ModelChoice {
  const [preset, setPreset] = useParam("preset", "tiny-mod");
  const [steps, setSteps] = useParam("steps", "300");
  const [seed, setSeed] = useParam("seed", "0");
  const [capacity, setCapacity] = useParam("capacity", "12.5");
  const [gate, setGate] = useParam("gate", "linear");
  const { name, summary, config } = CHOICES.find((each) => each.name === preset) ?? CHOICES[0]!;
  const { kind = "none" } = config.model.routing ?? {};
  const [isLearned, isRouted] = [kind === "learned", kind !== "none"];
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
