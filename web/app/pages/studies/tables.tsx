import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { StudyClaimView, StudyFitView } from "../../../../src/ui/api.ts";
import { duration, short } from "../../format.ts";

interface TableProps {
  readonly title: string;
  readonly headings: readonly string[];
  /** Columns from this one on hold numbers. */
  readonly numbersFrom?: number;
  readonly children: ComponentChildren;
  readonly note?: string;
}

export function Table({ title, headings, numbersFrom = headings.length, children, note }: TableProps) {
  const id = `${title.toLowerCase().replace(/\W+/g, "-")}-title`;
  return (
    <section class="panel" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <div class="wide" tabIndex={0} role="group" aria-label={title}>
        <table>
          <thead>
            <tr>
              {headings.map((heading, i) => (
                <th key={heading} scope="col" {...(i >= numbersFrom && { class: "number" })}>
                  {heading}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{children}</tbody>
        </table>
      </div>
      {note !== undefined && <p class="hint">{note}</p>}
    </section>
  );
}

const CLAIM_NOTE =
  "Each family at its own minimum, at equal training FLOPs. supported or contradicted: the whole 95 % interval lies on that side, and the sizes bracket the minima it rests on. open: not so, or no size has several seeds.";

const NOT_MEASURED = "not measured";

/** Each claim of the paper at each budget; those that wait for runs only if one wants to see them. */
export function ClaimTable({ claims }: { claims: readonly StudyClaimView[] }) {
  const [isAll, setAll] = useState(false);
  const waiting = claims.filter(({ verdict }) => verdict === NOT_MEASURED);
  const shown = isAll ? claims : claims.filter((claim) => !waiting.includes(claim));
  return (
    <Table
      title="Claims of the paper"
      headings={["measured", "budget", "value", "relative", "paper", "verdict", "notes"]}
      note={CLAIM_NOTE}
    >
      {shown.map(({ measure, budget, value, relative, paper, verdict, notes }) => (
        <tr key={`${measure} ${budget}`}>
          <th scope="row" class="words">
            {measure}
          </th>
          <td>{short(budget)}</td>
          <td>{value}</td>
          <td>{relative}</td>
          <td>{paper}</td>
          <td>
            <span class={`verdict is-${verdict.replaceAll(" ", "-")}`}>{verdict}</span>
          </td>
          <td class="notes">{notes.join("; ")}</td>
        </tr>
      ))}
      {waiting.length > 0 && (
        <tr>
          <td colSpan={7}>
            <button type="button" class="button is-small" aria-expanded={isAll} onClick={() => setAll(!isAll)}>
              {isAll ? "Hide" : "Show"} the {waiting.length} that wait for runs
            </button>
          </td>
        </tr>
      )}
    </Table>
  );
}

const RUN_HEADINGS = "budget,family,size,seed,parameters,steps,tokens,loss,top-k loss,bits/byte,time".split(",");

export const StudyRunTable = ({ fits }: { fits: readonly StudyFitView[] }) => (
  <Table title="Runs" headings={RUN_HEADINGS} numbersFrom={3}>
    {fits.flatMap(({ budget, family, runs }) =>
      runs.map((run) => (
        <tr key={run.id}>
          <td>{short(budget)}</td>
          <td>{family}</td>
          <th scope="row">{run.size}</th>
          <td class="number">{run.seed}</td>
          <td class="number">{short(run.parameters)}</td>
          <td class="number">{short(run.steps)}</td>
          <td class="number">{short(run.tokens)}</td>
          <td class="number">{run.lossNats.toFixed(4)}</td>
          <td class="number">{run.topkLossNats?.toFixed(4) ?? "–"}</td>
          <td class="number">{run.bitsPerByte.toFixed(4)}</td>
          <td class="number">{duration(run.seconds)}</td>
        </tr>
      )),
    )}
  </Table>
);
