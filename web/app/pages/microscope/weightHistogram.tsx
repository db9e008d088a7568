import { useState } from "preact/hooks";
import type { InspectedLayer } from "../../../../src/ui/api.ts";
import { fixed, short } from "../../format.ts";
import { SelectField } from "../../ui/controls.tsx";
import { useWidth } from "../../ui/useWidth.ts";
import { histogramOf } from "./figures.ts";

const BINS = 41;
const [HEIGHT, BASE] = [200, 172];
const LEFT = 34;

/** How router weights are spread: counts grow by tens, so that the few large ones show beside the many small. */
export function WeightHistogram({ layers }: { layers: readonly InspectedLayer[] }) {
  const [which, setWhich] = useState("all");
  const [frame, width] = useWidth<HTMLDivElement>(480);
  const chosen = which === "all" ? layers : layers.filter(({ index }) => String(index) === which);
  const weights = chosen.flatMap(({ routerWeights = [] }) => routerWeights);
  const { low, high, counts } = histogramOf(weights, BINS);
  const through = chosen.flatMap(({ routerWeights = [], routedThrough }) =>
    routerWeights.filter((_, i) => routedThrough[i]),
  );
  const inside = countIn(through, low, high);
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...counts, 1) + 1)));
  const heightOf = (count: number) => (count === 0 ? 0 : ((Math.log10(count) + 0.3) / (decades + 0.3)) * (BASE - 10));
  const right = width - 8;
  const step = (right - LEFT) / BINS;
  const xOf = (value: number) => LEFT + ((value - low) / (high - low)) * BINS * step;
  return (
    <section class="panel" aria-labelledby="weights-title">
      <div class="panel-head">
        <h2 id="weights-title">Router weights</h2>
        <SelectField
          label="Layer"
          value={which}
          options={[
            { value: "all", text: "all routed" },
            ...layers.map(({ index }) => ({ value: String(index), text: String(index) })),
          ]}
          onChange={setWhich}
        />
      </div>
      <div ref={frame}>
        <svg
          class="histogram"
          viewBox={`0 0 ${width} ${HEIGHT}`}
          role="img"
          aria-label={`Histogram of ${weights.length} router weights from ${fixed(low, 2)} to ${fixed(high, 2)}, counts on a logarithmic scale`}
        >
          {Array.from({ length: decades + 1 }, (_, power) => {
            const y = BASE - heightOf(10 ** power);
            return (
              <g key={power}>
                <line class="grid" x1={LEFT} x2={right} y1={y} y2={y} />
                <text class="axis" x={LEFT - 6} y={y + 4} text-anchor="end">
                  {short(10 ** power)}
                </text>
              </g>
            );
          })}
          {counts.map((count, i) => {
            const [x, size] = [LEFT + i * step, Math.max(1, step - 1.5)];
            return (
              <g key={i}>
                <rect class="bin" x={x} width={size} y={BASE - heightOf(count)} height={heightOf(count)}>
                  <title>{`${count} tokens, ${inside[i]} of them through`}</title>
                </rect>
                <rect
                  class="bin is-through"
                  x={x}
                  width={size}
                  y={BASE - heightOf(inside[i]!)}
                  height={heightOf(inside[i]!)}
                />
              </g>
            );
          })}
          {low < 0 && high > 0 && <line class="zero" x1={xOf(0)} x2={xOf(0)} y1={6} y2={BASE} />}
          <line class="base" x1={LEFT} x2={right} y1={BASE} y2={BASE} />
          {[low, (low + high) / 2, high].map((value, i) => (
            <text key={value} class="axis" x={xOf(value)} y={BASE + 18} text-anchor={["start", "middle", "end"][i]}>
              {fixed(value, 2)}
            </text>
          ))}
        </svg>
      </div>
      <ul class="legend">
        <li>
          <span class="key is-bin" />
          all tokens
        </li>
        <li>
          <span class="key is-through" />
          those that go through
        </li>
        <li class="quiet">count, logarithmic</li>
      </ul>
    </section>
  );
}

function countIn(values: readonly number[], low: number, high: number): number[] {
  const counts = Array<number>(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low)))]!++;
  return counts;
}
