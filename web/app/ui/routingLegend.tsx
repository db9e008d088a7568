import type { CellValue } from "./routingMap.tsx";

const Key = ({ kind, text }: { kind: string; text: string }) => (
  <li>
    <span class={`key is-${kind}`} />
    {text}
  </li>
);

/** What the cells of a routing map mean. */
export function MapLegend({ value, hasRouting }: { value: CellValue; hasRouting: boolean }) {
  return (
    <ul class="legend" aria-label="Legend">
      {!hasRouting ? null : value === "choice" ? (
        <>
          <Key kind="through" text="through: the block computes the token" />
          <Key kind="around" text="around: the token passes unchanged" />
        </>
      ) : (
        <>
          <Key kind="through" text={`${value} above 0: the stronger the larger`} />
          <Key kind="low" text="below 0" />
          <Key kind="dot" text="goes through" />
        </>
      )}
      <Key kind="dense" text="dense block: computes every token" />
      <li class="quiet">layer 0 at the bottom</li>
    </ul>
  );
}
