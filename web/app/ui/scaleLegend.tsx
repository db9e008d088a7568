import { useLook } from "../theme.ts";
import { scaleSteps } from "./palette.ts";

interface ScaleLegendProps {
  readonly least: string;
  readonly most: string;
  readonly name: string;
}

/** The shades from little to much. */
export function ScaleLegend({ least, most, name }: ScaleLegendProps) {
  const look = useLook();
  return (
    <p class="scale-legend">
      <span>{least}</span>
      <span class="scale" aria-hidden="true">
        {scaleSteps(look).map((color) => (
          <span key={color} style={{ background: color }} />
        ))}
      </span>
      <span>{most}</span>
      <span class="quiet">{name}</span>
    </p>
  );
}
