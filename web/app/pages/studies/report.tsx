import { lookOf } from "../../../../src/render/chartLooks.ts";
import type { StudyFitView, StudyView } from "../../../../src/ui/api.ts";
import { short } from "../../format.ts";
import { useLook } from "../../theme.ts";
import { Segmented } from "../../ui/controls.tsx";
import { seriesColor } from "../../ui/palette.ts";
import { listOf, listText, useChoice, useParam } from "../../url.ts";
import { IsoFlopChart } from "./isoFlopChart.tsx";
import { LearningCurves } from "./learningCurves.tsx";
import { ClaimTable, StudyRunTable, Table } from "./tables.tsx";

const QUANTITIES = ["parameters", "forward FLOPs"] as const;

/** A study: its curves at each budget, its claims, its runs. */
export function StudyReport({ study }: { study: StudyView }) {
  const look = useLook();
  const [quantity, setQuantity] = useChoice("quantity", QUANTITIES);
  const [hidden, setHidden] = useParam("hide");
  const families = [...new Set(study.fits.map(({ family }) => family))];
  const measured = families.filter((family) => study.fits.some((fit) => fit.family === family && fit.runs.length > 0));
  const isShown = (family: string) => !listOf(hidden).includes(family);
  const toggle = (family: string) => {
    const now = listOf(hidden);
    setHidden(listText(isShown(family) ? [...now, family] : now.filter((each) => each !== family)));
  };
  const colorOf = (family: string) => seriesColor(families.indexOf(family), look);
  const shown = study.fits.filter(({ family, runs }) => runs.length > 0 && isShown(family));
  const budgets = [...new Set(shown.map(({ budget }) => budget))];
  if (study.finished === 0) return <p class="quiet">No run has finished yet.</p>;
  return (
    <>
      <section class="panel" aria-labelledby="isoflop-title">
        <div class="panel-head">
          <h2 id="isoflop-title">Loss at equal training FLOPs</h2>
          <Segmented label="Against" choices={QUANTITIES} value={quantity} onChange={setQuantity} />
        </div>
        <fieldset class="families">
          <legend class="label">Families</legend>
          {measured.map((family) => (
            <label key={family} class="check">
              <input type="checkbox" checked={isShown(family)} onChange={() => toggle(family)} />
              <MarkerKey index={families.indexOf(family)} color={colorOf(family)} />
              {family}
            </label>
          ))}
        </fieldset>
        <div class="iso-charts">
          {budgets.map((budget) => (
            <IsoFlopChart
              key={budget}
              budget={budget}
              fits={shown.filter((fit) => fit.budget === budget)}
              families={families}
              quantity={quantity === "parameters" ? "parameters" : "forwardFlopsPerToken"}
            />
          ))}
        </div>
        <p class="hint">
          Points: runs, a seed each. Lines: parabolas of least squares over ln(parameters). ★ their minimum with its 95
          % interval over seeds; ☆ the best size, where the sizes do not surely bracket a minimum.
        </p>
      </section>
      <LearningCurves fits={shown} families={families} />
      {study.claims.length > 0 && <ClaimTable claims={study.claims} />}
      <MinimaTable fits={shown} />
      <StudyRunTable fits={shown} />
    </>
  );
}

const MarkerKey = ({ index, color }: { index: number; color: string }) => (
  <svg class="marker-key" width="12" height="12" viewBox="-6 -6 12 12" aria-hidden="true">
    <path d={lookOf(index).marker} fill={color} />
  </svg>
);

function MinimaTable({ fits }: { fits: readonly StudyFitView[] }) {
  const measured = fits.filter(({ minimum }) => minimum !== null);
  if (measured.length === 0) return null;
  return (
    <Table title="Minima" headings={MINIMA_HEADINGS} numbersFrom={4}>
      {measured.map(({ budget, family, runs, planned, minimum, intervals }) => (
        <tr key={`${budget} ${family}`}>
          <td>{short(budget)}</td>
          <th scope="row">{family}</th>
          <td>
            {runs.length} of {planned}
          </td>
          <td>{minimum!.isBracketed ? "bracketed" : "not surely bracketed"}</td>
          <td class="number">
            {minimum!.lossNats.toFixed(4)}
            {intervals && (
              <span class="quiet">{` [${intervals.lossNats.low.toFixed(4)}, ${intervals.lossNats.high.toFixed(4)}]`}</span>
            )}
          </td>
          <td class="number">{short(minimum!.parameters)}</td>
          <td class="number">{short(minimum!.forwardFlopsPerToken)}</td>
        </tr>
      ))}
    </Table>
  );
}

const MINIMA_HEADINGS = "budget,family,runs,minimum,loss in nats,parameters,forward FLOPs/token".split(",");
