import { useEffect, useRef, useState } from "preact/hooks";
import type { OpenModel } from "../../engine.ts";
import type { DrawSettings } from "./settings.tsx";
import { emptyText, type StreamedText, streamText } from "./stream.ts";

/** One text that is wanted. */
export interface Wish {
  readonly title: string;
  readonly rule: string | undefined;
  readonly isTwin: boolean;
}

/** Every block computes every token: what the dense model of the same shape costs. */
const DENSE_RULE = "through";

export const isRouted = (model: OpenModel | null): boolean =>
  model?.summary.layers.some((kind) => kind !== "dense") ?? false;

/** The text itself, and, of a routed model, the one whose speed it is compared with. */
export function wishesFor(model: OpenModel, rule: string | undefined, hasTwin: boolean): Wish[] {
  const own = { title: isRouted(model) ? "Routed" : "Dense", rule, isTwin: false };
  const twin = { title: "Every block computed", rule: DENSE_RULE, isTwin: true };
  return isRouted(model) && hasTwin && rule !== DENSE_RULE ? [own, twin] : [own];
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
    const empty = wishes.map(({ title, isTwin }) => emptyText(title, model, isTwin));
    setProblem(null);
    setWorking(true);
    setTexts(empty);
    try {
      // One after the other: beside each other they would take each other's time.
      for (const [i, { rule }] of wishes.entries()) {
        const put = (text: StreamedText) => setTexts((all) => all.map((old, j) => (j === i ? text : old)));
        await streamText(model, prompt, { ...settings, ...(rule !== undefined && { rule }), signal }, empty[i]!, put);
        if (signal.aborted) break;
      }
    } catch (error) {
      if (!signal.aborted) setProblem((error as Error).message);
    } finally {
      setWorking(false);
    }
  };
  return { texts, problem, isWorking, start, stop: () => leave.current?.abort() };
}
