import { useState } from "preact/hooks";
import type { Inspection, OpenModel } from "../../engine.ts";
import { fixed, percent } from "../../format.ts";
import { Figure, Figures, Segmented } from "../../ui/controls.tsx";
import { MapLegend } from "../../ui/routingLegend.tsx";
import { CELL_VALUES, RoutingMap, type Spot } from "../../ui/routingMap.tsx";
import { useChoice } from "../../url.ts";
import { ColoredText } from "./coloredText.tsx";
import { ExpertTable } from "./expertTable.tsx";
import { meanOf, routedOf, shareThrough } from "./figures.ts";
import { LayerTable } from "./layerTable.tsx";
import { SpotCard } from "./spotCard.tsx";
import { WeightHistogram } from "./weightHistogram.tsx";

/** Where nothing is routed, `through` is how tokens choose their experts: the rule's name in evaluations is that one then. */
const ruleName = (rule: string, { summary }: OpenModel): string =>
  rule === "through" && (summary.rule === "token" || summary.rule === "dense") ? summary.rule : rule;

/** All that one look gave. */
export function Results({ inspection, model }: { inspection: Inspection; model: OpenModel }) {
  const [value, setValue] = useChoice("cells", CELL_VALUES);
  const [spot, setSpot] = useState<Spot | null>(null);
  const routed = routedOf(inspection);
  const values = CELL_VALUES.filter(
    (each) =>
      each === "choice" ||
      (each === "router weight" ? routed.length > 0 : routed.some(({ predictorLogits }) => predictorLogits)),
  );
  return (
    <>
      <Figures>
        <Figure label="tokens" value={inspection.tokens.length} />
        <Figure label="loss, nats a token" value={fixed(meanOf(inspection.lossNats), 3)} />
        <Figure label="entropy, nats" value={fixed(meanOf(inspection.entropyNats), 3)} />
        {routed.length > 0 && (
          <>
            <Figure
              label="through routed blocks"
              title="share of the tokens, mean over routed blocks"
              value={percent(shareThrough(routed))}
            />
            <Figure
              label="in training"
              title="share that each routed block computed in training"
              value={percent(model.summary.capacityRatio)}
            />
          </>
        )}
        <Figure label="rule" value={ruleName(inspection.rule, model)} />
      </Figures>
      <section aria-labelledby="map-title" class="panel">
        <div class="panel-head">
          <h2 id="map-title">Layers by tokens</h2>
          {values.length > 1 && <Segmented label="Cells show" choices={values} value={value} onChange={setValue} />}
        </div>
        <RoutingMap {...{ inspection, value, spot }} onSpot={setSpot} />
        <MapLegend value={value} layers={inspection.layers} />
        <SpotCard inspection={inspection} spot={spot} />
      </section>
      <ColoredText inspection={inspection} spot={spot} onSpot={setSpot} />
      {inspection.expertUse !== undefined && inspection.expertUse.length > 0 && (
        <ExpertTable use={inspection.expertUse} />
      )}
      {routed.length > 0 && (
        <div class="panel-pair">
          <WeightHistogram layers={routed} />
          <LayerTable layers={inspection.layers} capacityRatio={model.summary.capacityRatio} />
        </div>
      )}
    </>
  );
}
