import { isRouted } from "../../../../src/model/layerKind.ts";
import type { InspectedLayer } from "../../../../src/ui/api.ts";
import { percent } from "../../format.ts";
import { throughOf } from "./figures.ts";

interface LayerTableProps {
  readonly layers: readonly InspectedLayer[];
  readonly capacityRatio: number | null;
}

/** How much each layer computed, and how far its choice was that of top-k. */
export function LayerTable({ layers, capacityRatio }: LayerTableProps) {
  return (
    <section class="panel" aria-labelledby="layers-title">
      <h2 id="layers-title">What each layer computed</h2>
      <table class="layer-table">
        <thead>
          <tr>
            <th scope="col">layer</th>
            <th scope="col">kind</th>
            <th scope="col">tokens through</th>
            <th scope="col" class="number">
              as top-k
            </th>
          </tr>
        </thead>
        <tbody>
          {[...layers].reverse().map((layer) => (
            <tr key={layer.index}>
              <th scope="row">{layer.index}</th>
              <td>{layer.kind}</td>
              <td>
                <Bar
                  share={throughOf(layer)}
                  isDense={!isRouted(layer.kind)}
                  mark={isRouted(layer.kind) ? capacityRatio : null}
                />
              </td>
              <td class="number">{percent(agreementOf(layer), 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">The thin mark is the share that the block computed in training.</p>
    </section>
  );
}

/** Share of the tokens on which the rule decided as top-k would have; null where nothing is routed. */
function agreementOf({ top, routedThrough }: InspectedLayer): number | null {
  if (top === undefined) return null;
  return top.filter((isTop, i) => isTop === routedThrough[i]).length / top.length;
}

function Bar({ share, isDense, mark }: { share: number; isDense: boolean; mark: number | null }) {
  return (
    <span class="bar">
      <span class="bar-track">
        <span class={isDense ? "bar-fill is-dense" : "bar-fill"} style={{ width: `${100 * share}%` }} />
        {mark !== null && <span class="bar-mark" style={{ left: `${100 * mark}%` }} />}
      </span>
      <span class="bar-text">{percent(share, share < 0.1 ? 1 : 0)}</span>
    </span>
  );
}
