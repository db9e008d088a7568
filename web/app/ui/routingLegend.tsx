import { hasExperts, isRouted } from "../../../src/model/layerKind.ts";
import type { InspectedLayer } from "../../../src/ui/api.ts";
import type { CellValue } from "./routingMap.tsx";

const Key = ({ kind, text }: { kind: string; text: string }) => (
  <li>
    <span class={`key is-${kind}`}>{kind === "expert" && "3"}</span>
    {text}
  </li>
);

interface MapLegendProps {
  readonly value: CellValue;
  readonly layers: readonly InspectedLayer[];
}

/** What the cells of a routing map mean. */
export function MapLegend({ value, layers }: MapLegendProps) {
  const some = (holds: (kind: string) => boolean) => layers.some(({ kind }) => holds(kind));
  const isChoice = value === "choice";
  const showsExperts = isChoice ? some(hasExperts) : some((kind) => kind === "moe");
  return (
    <ul class="legend" aria-label="Legend">
      {isChoice && some((kind) => kind === "mod") && (
        <Key kind="through" text="through: the block computes the token" />
      )}
      {isChoice && some(isRouted) && <Key kind="around" text="around: the token passes unchanged" />}
      {!isChoice && (
        <>
          <Key kind="through" text={`${value} above 0: the stronger the larger`} />
          <Key kind="low" text="below 0" />
          <Key kind="dot" text="goes through" />
        </>
      )}
      {showsExperts && <Key kind="expert" text="number of the expert that computes the token" />}
      {showsExperts && <Key kind="no-expert" text="no expert does" />}
      {some((kind) => kind === "dense") && <Key kind="dense" text="dense block: computes every token" />}
      <li class="quiet">layer 0 at the bottom</li>
    </ul>
  );
}
