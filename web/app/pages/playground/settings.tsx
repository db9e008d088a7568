/** How tokens are drawn: numbers that stand in the address. */
import type { GenerateOptions } from "../../engine.ts";
import { NumberField } from "../../ui/controls.tsx";
import { useParam } from "../../url.ts";

const SETTINGS = {
  tokens: { label: "Tokens", initial: "120", min: 1, max: 2000, step: 1 },
  temperature: { label: "Temperature", initial: "0.8", min: 0, max: 5, step: "any" },
  topP: { label: "Top-p", initial: "0.95", min: 0, max: 1, step: "any" },
  topK: { label: "Top-k (0: off)", initial: "0", min: 0, step: 1 },
  minP: { label: "Min-p", initial: "0", min: 0, max: 1, step: "any" },
  repetitionPenalty: { label: "Repetition penalty", initial: "1", min: 0.1, max: 10, step: "any" },
  seed: { label: "Seed", initial: "0", min: 0, step: 1 },
} as const;
type Setting = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as Setting[];

export type DrawSettings = Omit<GenerateOptions, "rule" | "signal">;

/** The settings as they are, and the fields to change them. */
export function useDrawSettings(): { readonly settings: DrawSettings; readonly fields: preact.JSX.Element[] } {
  // The same hooks in the same order each time: the names never change.
  const pairs = NAMES.map((name) => [name, useParam(name, SETTINGS[name].initial)] as const);
  return {
    settings: Object.fromEntries(pairs.map(([name, [value]]) => [name, Number(value)])) as unknown as DrawSettings,
    fields: pairs.map(([name, [value, set]]) => {
      const { initial: _, ...field } = SETTINGS[name];
      return <NumberField key={name} {...field} value={value} onChange={set} />;
    }),
  };
}
