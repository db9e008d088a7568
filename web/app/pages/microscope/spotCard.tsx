import { isRouted } from "../../../../src/model/layerKind.ts";
import type { InspectedLayer } from "../../../../src/ui/api.ts";
import type { Inspection } from "../../engine.ts";
import { fixed } from "../../format.ts";
import type { Spot } from "../../ui/routingMap.tsx";
import { visible } from "../../ui/tokenText.ts";
import { blocksOf } from "./figures.ts";

/** Everything about the token under the pointer or the cursor. */
export function SpotCard({ inspection, spot }: { inspection: Inspection; spot: Spot | null }) {
  // A text that came after may be shorter than the one that was pointed at.
  if (spot === null || spot.token >= inspection.tokens.length)
    return <p class="spot-card is-empty">Point at a token, or move with the arrow keys.</p>;
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
              <LayerWords layer={each} token={token} isShort lack={lackOf(inspection, each)} />
            </li>
          ))}
        </ul>
      ) : (
        <p class="spot-layer">
          <LayerWords layer={layer} token={token} isShort={false} lack={lackOf(inspection, layer)} />
        </p>
      )}
    </div>
  );
}

interface LayerWordsProps {
  readonly layer: InspectedLayer;
  readonly token: number;
  readonly isShort: boolean;
  /** Why no expert would have computed a token. */
  readonly lack: string;
}

function LayerWords({ layer, token, isShort, lack }: LayerWordsProps) {
  const { index, kind, routedThrough, routerWeights, predictorLogits, top } = layer;
  if (kind === "dense")
    return isShort ? <span class="quiet">{index} dense</span> : <>Layer {index}: dense, computes every token.</>;
  const experts = routedThrough[token] ? expertWords(layer.experts?.[token], lack) : null;
  if (!isRouted(kind)) {
    return isShort ? (
      <span>
        {index} {experts}
      </span>
    ) : (
      <>
        Layer {index} ({kind}): <strong>{experts}</strong>.
      </>
    );
  }
  const way = routedThrough[token] ? "through" : "around";
  const weight = fixed(routerWeights?.[token], 3);
  if (isShort) {
    return (
      <span class={`is-${way}`}>
        {index} {way}
        {experts !== null && `, ${experts}`} <span class="quiet">r {weight}</span>
      </span>
    );
  }
  const logit = predictorLogits === undefined ? "" : `, predictor logit ${fixed(predictorLogits[token], 3)}`;
  const among = top?.[token] ? "among the top k of its window" : "not among the top k of its window";
  return (
    <>
      Layer {index} ({kind}): <strong>{way}</strong>
      {experts !== null && `, ${experts}`}, router weight {weight}
      {logit}; {among}.
    </>
  );
}

/** `expert 3`, `experts 1 and 5`; null in a layer without. */
function expertWords(experts: readonly number[] | undefined, lack: string): string | null {
  if (experts === undefined) return null;
  if (experts.length === 0) return lack;
  return `${experts.length === 1 ? "expert" : "experts"} ${experts.join(" and ")}`;
}

/** A choice may fall on a no-op expert, or find no slot; by expert choice a token may be taken by none. */
function lackOf({ expertUse = [] }: Inspection, { index }: InspectedLayer): string {
  const use = expertUse.find(({ layer }) => layer === index);
  const reasons = [
    use !== undefined && use.noOps > 0 && "a no-op",
    use !== undefined && use.dropped > 0 && "none free",
  ];
  return `no expert (${reasons.filter(Boolean).join(" or ") || "none took it"})`;
}
