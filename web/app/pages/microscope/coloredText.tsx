import type { Inspection } from "../../engine.ts";
import { useLook } from "../../theme.ts";
import { Segmented } from "../../ui/controls.tsx";
import { shade } from "../../ui/palette.ts";
import type { Spot } from "../../ui/routingMap.tsx";
import { ScaleLegend } from "../../ui/scaleLegend.tsx";
import { useChoice } from "../../url.ts";
import { measuresOf } from "./figures.ts";

const MEASURES = ["compute", "loss", "entropy"] as const;

interface ColoredTextProps {
  readonly inspection: Inspection;
  readonly spot: Spot | null;
  readonly onSpot: (spot: Spot) => void;
}

/** The text as it is read, each token shaded by one measure. */
export function ColoredText({ inspection, spot, onSpot }: ColoredTextProps) {
  const [by, setBy] = useChoice("color", MEASURES);
  const look = useLook();
  const measure = measuresOf(inspection)[by];
  return (
    <section class="panel" aria-labelledby="text-title">
      <div class="panel-head">
        <h2 id="text-title">The text</h2>
        <Segmented label="Coloured by" choices={MEASURES} value={by} onChange={setBy} />
      </div>
      <p class="colored-text">
        {inspection.tokens.map((text, i) => {
          const share = measure.shareOf(i);
          const { background, ink } = shade(share ?? 0, look);
          return (
            <span
              key={i}
              class={spot?.token === i ? "token is-spot" : "token"}
              style={share === null ? {} : { background, color: ink }}
              title={`${measure.textOf(i)}`}
              onPointerEnter={() => onSpot({ token: i, layer: null })}
            >
              {text === "<|endoftext|>" ? "⟨start⟩" : text}
            </span>
          );
        })}
      </p>
      <ScaleLegend least={measure.least} most={measure.most} name={measure.name} />
    </section>
  );
}
