import { useEffect, useRef, useState } from "preact/hooks";
import { isRouted } from "../../../../src/model/layerKind.ts";
import type { OpenModel } from "../../engine.ts";
import type { DrawSettings } from "./settings.tsx";
import { emptyText, ended, type StreamedText, streamText, type Twin } from "./stream.ts";

/** One text that is wanted. */
export interface Wish {
  readonly title: string;
  readonly rule: string | undefined;
  readonly twin: Twin | null;
}

/** Every block computes every token: what the dense model of the same shape costs. */
const THROUGH = "through";

/** What a model's speed can be compared with; null for a dense one. */
export function twinOf(model: OpenModel | null): Twin | null {
  const layers = model?.summary.layers ?? [];
  if (model?.denseTwin !== undefined) return layers.some((kind) => kind !== "dense") ? "random" : null;
  return layers.some(isRouted) ? THROUGH : null;
}

const TITLES: Readonly<Record<Twin, string>> = {
  through: "Every block computed",
  random: "Dense twin, random weights",
};

/** The text itself, and the one whose speed it is compared with, if that is wanted. */
export function wishesFor(model: OpenModel, rule: string | undefined, hasTwin: boolean): Wish[] {
  const { family } = model.summary;
  const title = family === "dense" ? "Dense" : model.summary.layers.some(isRouted) ? "Routed" : "Experts";
  const own = { title, rule, twin: null };
  const twin = twinOf(model);
  if (twin === null || !hasTwin || (twin === THROUGH && rule === THROUGH)) return [own];
  return [own, { title: TITLES[twin], rule: twin === THROUGH ? THROUGH : undefined, twin }];
}

/** Texts as they come. */
export function useGeneration() {
  const [texts, setTexts] = useState<readonly StreamedText[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [isWorking, setWorking] = useState(false);
  const leave = useRef<AbortController | null>(null);
  useEffect(() => () => leave.current?.abort(), []);

  const start = async (model: OpenModel, prompt: string, settings: DrawSettings, wishes: readonly Wish[]) => {
    const controller = new AbortController();
    const { signal } = controller;
    leave.current = controller;
    const empty = wishes.map(({ title, twin }) => emptyText({ title, prompt, twin }, model));
    setProblem(null);
    setWorking(true);
    setTexts(empty);
    try {
      // Before the first text: both models have run for a while then.
      const dense = wishes.some(({ twin }) => twin === "random") ? await model.denseTwin!() : model;
      // One after the other: beside each other they would take each other's time.
      for (const [i, { rule, twin }] of wishes.entries()) {
        if (signal.aborted) break;
        const put = (text: StreamedText) => setTexts((all) => all.map((old, j) => (j === i ? text : old)));
        const options = { ...settings, ...(rule !== undefined && { rule }), signal };
        await streamText(twin === "random" ? dense : model, options, empty[i]!, put);
      }
    } catch (error) {
      if (!signal.aborted) setProblem((error as Error).message);
    } finally {
      setTexts(ended);
      setWorking(false);
    }
  };
  return { texts, problem, isWorking, start, stop: () => leave.current?.abort() };
}
