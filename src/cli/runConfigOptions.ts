import { z } from "zod";
import { applyOverrides } from "../config/overrides.ts";
import { findPreset, PRESETS } from "../config/presets.ts";
import { type RunConfig, type RunInput, resolveConfig } from "../config/runConfig.ts";
import { suggestion, UsageError } from "./usage.ts";

export const setOption = {
  set: z
    .array(z.string().regex(/^[^=]/, "must be path=value").regex(/=/, "must be path=value"))
    .default([])
    .describe("change values of the configuration, such as train.horizon.steps=50")
    .meta({ value: "path=value" }),
};

export const presetOptions = {
  preset: z.string().default("small").describe("what to start from; mod presets lists them").meta({ value: "name" }),
  ...setOption,
};

/** The preset as it is written in the source. */
export function presetConfig(name: string): RunInput {
  const preset = findPreset(name);
  if (preset) return preset.config;
  const names = PRESETS.flatMap((known) => [known.name.replace(/-mod$/, ""), known.name]);
  throw new UsageError([`--preset: unknown preset "${name}"${suggestion(name, names)}; mod presets lists them`]);
}

/** The configuration of a preset with changes, checked. */
export const presetWithOverrides = (preset: string, overrides: readonly string[]): RunConfig =>
  resolveConfig(applyOverrides(presetConfig(preset), overrides));
