import type { ModelConfig } from "../model/config.ts";
import type { LayerExperts } from "../model/expertHealth.ts";
import { routesOf } from "../model/expertsConfig.ts";
import { percent, table } from "./format.ts";

/** How the experts of each layer are used; headings say what the columns are shares of. */
export function expertTable(layers: readonly LayerExperts[], { experts }: ModelConfig): string {
  if (experts === undefined) throw new Error("expertTable: the model must have experts, got none");
  const most = Math.log(routesOf(experts)).toFixed(2);
  const byToken = experts.choice === "token";
  const rows = layers.map(({ layer, load, noOps, dropped, entropy }) => [
    String(layer),
    load.map((share) => (100 * share).toFixed(1)).join(" "),
    ...(byToken ? [percent(noOps)] : []),
    percent(dropped),
    entropy.toFixed(2),
  ]);
  const headings = byToken
    ? ["layer", "load of each expert, % of the choices", "no-op", "dropped", `entropy of ${most} nats`]
    : ["layer", "load of each expert, % of the tokens", "without expert", `entropy of ${most} nats`];
  return table(headings, rows);
}
