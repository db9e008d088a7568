import type { RunSummary } from "../../../../src/ui/api.ts";

export const ORDERS = ["changed", "name", "loss"] as const;
export type Order = (typeof ORDERS)[number];

/** Every word of the filter must stand somewhere in what a row says. */
export function arrange(runs: readonly RunSummary[], filter: string, order: Order): RunSummary[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = runs.filter((run) => {
    const text = `${run.id} ${run.state} ${run.model?.family ?? ""} ${run.model?.gate ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const loss = ({ validation }: RunSummary) => validation?.lossNats ?? Number.POSITIVE_INFINITY;
  const compare: Readonly<Record<Order, (a: RunSummary, b: RunSummary) => number>> = {
    changed: (a, b) => b.changedMs - a.changedMs,
    name: (a, b) => a.id.localeCompare(b.id, "en", { numeric: true }),
    loss: (a, b) => loss(a) - loss(b) || 0,
  };
  return shown.sort(compare[order]);
}
