/** Colours that are told apart by the colour-blind too (Okabe and Ito, "Color universal design", 2008), for paper and for a dark screen. */
import { lookOf } from "../../../src/render/chartLooks.ts";

export type Look = "light" | "dark";

const DARK = ["#5ab4ee", "#ff8a4c", "#2fc79a", "#e59ac4", "#f2bd4b", "#a9d8f5"];

export const seriesColor = (index: number, look: Look): string =>
  look === "dark" ? DARK[index % DARK.length]! : lookOf(index).color;

/** Dashes as canvases take them: another one for each round of colours. */
export const seriesDash = (index: number): number[] =>
  (lookOf(index).dash ?? "").split(" ").filter(Boolean).map(Number);

interface Shade {
  readonly background: string;
  readonly ink: string;
}

/** Little to much; lightness runs evenly, so that it can be read without colour. */
const SCALES: Readonly<Record<Look, readonly string[]>> = {
  light: ["#f4f6f8", "#dbe9f3", "#b3d3e8", "#7fb6d9", "#4a94c4", "#1f6fa8", "#0b4a7d"],
  dark: ["#1d232b", "#173a54", "#17527a", "#1f6fa0", "#3a8fc2", "#6cb2dd", "#a8d5f0"],
};

/** A place on the scale from 0 to 1, with ink that can be read on it. */
export function shade(share: number, look: Look): Shade {
  const scale = SCALES[look];
  const step = Math.max(0, Math.min(scale.length - 1, Math.round(share * (scale.length - 1))));
  const isDarkGround = look === "light" ? step >= 5 : step <= 3;
  return { background: scale[step]!, ink: isDarkGround ? "#ffffff" : "#10151b" };
}

export const scaleSteps = (look: Look): readonly string[] => SCALES[look];
