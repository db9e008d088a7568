import type { Inspection } from "../../engine.ts";
import { fixed, percent } from "../../format.ts";
import { expertColor } from "../../ui/expertColors.ts";

type ExpertUse = NonNullable<Inspection["expertUse"]>;

/** How the experts of each layer were used by the text. */
export function ExpertTable({ use }: { use: ExpertUse }) {
  return (
    <section class="panel" aria-labelledby="experts-title">
      <h2 id="experts-title">What the experts did</h2>
      <div class="table-frame" tabIndex={0} role="region" aria-label="Use of experts">
        <table class="expert-table">
          <thead>
            <tr>
              <th scope="col">layer</th>
              <th scope="col">choices by expert</th>
              <th scope="col" class="number" title="choices of experts that do nothing">
                no-op
              </th>
              <th scope="col" class="number" title="choices that found no slot, or tokens that no expert took">
                dropped
              </th>
              <th
                scope="col"
                class="number"
                title="of the router over its experts, nats; even choices have the largest"
              >
                entropy
              </th>
            </tr>
          </thead>
          <tbody>
            {[...use].reverse().map(({ layer, load, noOps, dropped, entropy }) => (
              <tr key={layer}>
                <th scope="row">{layer}</th>
                <td>
                  <Loads load={load} />
                </td>
                <td class="number">{percent(noOps, 0)}</td>
                <td class="number">{percent(dropped, 0)}</td>
                <td class="number">{fixed(entropy, 2)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** A column for each expert, with its number and its share. */
const Loads = ({ load }: { load: readonly number[] }) => {
  const most = Math.max(...load, 1e-9);
  return (
    <ol class="loads" start={0}>
      {load.map((share, expert) => (
        <li key={`${expert}`} title={`expert ${expert}: ${percent(share)}`}>
          <span class="load-track">
            <span
              class="load-fill"
              style={{ height: `${(100 * share) / most}%`, background: expertColor(expert).ground }}
            />
          </span>
          <span class="load-text">
            <b>{expert}</b> {percent(share, 0)}
          </span>
        </li>
      ))}
    </ol>
  );
};
