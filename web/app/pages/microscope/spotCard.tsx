import type { InspectedLayer } from "../../../../src/ui/api.ts";
import type { Inspection } from "../../engine.ts";
import { fixed } from "../../format.ts";
import type { Spot } from "../../ui/routingMap.tsx";
import { visible } from "../../ui/tokenText.ts";
import { blocksOf } from "./figures.ts";

/** Everything about the token under the pointer or the cursor. */
export function SpotCard({ inspection, spot }: { inspection: Inspection; spot: Spot | null }) {
  if (spot === null) return <p class="spot-card is-empty">Point at a token, or move with the arrow keys.</p>;
  const { token } = spot;
  const { tokens, layers, lossNats, entropyNats } = inspection;
  const layer = layers.find(({ index }) => index === spot.layer);
  return (
    <div class="spot-card" role="status">
      <p class="spot-token">
        <strong>{visible(tokens[token]!)}</strong>
        <span>
          token {token}, {blocksOf(inspection, token)} of {layers.length} blocks
        </span>
        <span>loss {fixed(lossNats[token], 3)}</span>
        <span>entropy {fixed(entropyNats[token], 3)}</span>
      </p>
      {layer === undefined ? (
        <ul class="spot-layers">
          {layers.map((each) => (
            <li key={each.index}>
              <LayerWords layer={each} token={token} isShort />
            </li>
          ))}
        </ul>
      ) : (
        <p class="spot-layer">
          <LayerWords layer={layer} token={token} isShort={false} />
        </p>
      )}
    </div>
  );
}

interface LayerWordsProps {
  readonly layer: InspectedLayer;
  readonly token: number;
  readonly isShort: boolean;
}

function LayerWords({ layer, token, isShort }: LayerWordsProps) {
  const { index, kind, routedThrough, routerWeights, predictorLogits, top } = layer;
  if (kind === "dense")
    return isShort ? <span class="quiet">{index} dense</span> : <>Layer {index}: dense, computes every token.</>;
  const way = routedThrough[token] ? "through" : "around";
  const weight = fixed(routerWeights?.[token], 3);
  if (isShort) {
    return (
      <span class={`is-${way}`}>
        {index} {way} <span class="quiet">r {weight}</span>
      </span>
    );
  }
  const logit = predictorLogits === undefined ? "" : `, predictor logit ${fixed(predictorLogits[token], 3)}`;
  const among = top?.[token] ? "among the top k of its window" : "not among the top k of its window";
  return (
    <>
      Layer {index} ({kind}): <strong>{way}</strong>, router weight {weight}
      {logit}; {among}.
    </>
  );
}
