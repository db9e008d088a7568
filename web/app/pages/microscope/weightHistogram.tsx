import { useState } from "preact/hooks";
import type { InspectedLayer } from "../../../../src/ui/api.ts";
import { fixed, short } from "../../format.ts";
import { SelectField } from "../../ui/controls.tsx";
import { useWidth } from "../../ui/useWidth.ts";
import { type Histogram, histogramOf } from "./figures.ts";

const BINS = 41;
const [HEIGHT, BASE] = [200, 172];
const ROOM = { left: 34, right: 8, top: 10 };

/** How router weights are spread: counts grow by tens, so that the few large ones show beside the many small. */
export function WeightHistogram({ layers }: { layers: readonly InspectedLayer[] }) {
  const [which, setWhich] = useState("all");
  const [frame, width] = useWidth<HTMLDivElement>(480);
  const chosen = which === "all" ? layers : layers.filter(({ index }) => String(index) === which);
  const all = histogramOf(
    chosen.flatMap(({ routerWeights = [] }) => routerWeights),
    BINS,
  );
  const isThrough = ({ routerWeights = [], routedThrough }: InspectedLayer) =>
    routerWeights.filter((_, i) => routedThrough[i]);
  const through = histogramOf(chosen.flatMap(isThrough), BINS, all);
  const choices = layers.map(({ index }) => ({ value: String(index), text: String(index) }));
  return (
    <section class="panel" aria-labelledby="weights-title">
      <div class="panel-head">
        <h2 id="weights-title">Router weights</h2>
        <SelectField
          label="Layer"
          value={which}
          options={[{ value: "all", text: "all routed" }, ...choices]}
          onChange={setWhich}
        />
      </div>
      <div ref={frame}>
        <Drawing all={all} through={through} width={width} />
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

interface DrawingProps {
  readonly all: Histogram;
  readonly through: Histogram;
  readonly width: number;
}

function Drawing({ all, through, width }: DrawingProps) {
  const { low, high, counts } = all;
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...counts, 1) + 1)));
  // A count of 1 has some height of its own: its logarithm is 0.
  const heightOf = (count: number) =>
    count === 0 ? 0 : ((Math.log10(count) + 0.3) / (decades + 0.3)) * (BASE - ROOM.top);
  const right = width - ROOM.right;
  const step = (right - ROOM.left) / BINS;
  const xOf = (value: number) => ROOM.left + ((value - low) / (high - low)) * BINS * step;
  const total = counts.reduce((a, b) => a + b, 0);
  const bars = (heights: readonly number[], name: string) =>
    heights.map((count, i) => {
      const [x, size, height] = [ROOM.left + i * step, Math.max(1, step - 1.5), heightOf(count)];
      return (
        <rect key={`${name} ${x}`} class={name} x={x} width={size} y={BASE - height} height={height}>
          <title>{`${counts[i]} tokens, ${through.counts[i]} of them through`}</title>
        </rect>
      );
    });
  return (
    <svg
      class="histogram"
      viewBox={`0 0 ${width} ${HEIGHT}`}
      role="img"
      aria-label={`Histogram of ${total} router weights from ${fixed(low, 2)} to ${fixed(high, 2)}, counts on a logarithmic scale`}
    >
      {Array.from({ length: decades + 1 }, (_, power) => (
        <g key={power}>
          <line
            class="grid"
            x1={ROOM.left}
            x2={right}
            y1={BASE - heightOf(10 ** power)}
            y2={BASE - heightOf(10 ** power)}
          />
          <text class="axis" x={ROOM.left - 6} y={BASE - heightOf(10 ** power) + 4} text-anchor="end">
            {short(10 ** power)}
          </text>
        </g>
      ))}
      {bars(counts, "bin")}
      {bars(through.counts, "bin is-through")}
      {low < 0 && high > 0 && <line class="zero" x1={xOf(0)} x2={xOf(0)} y1={6} y2={BASE} />}
      <line class="base" x1={ROOM.left} x2={right} y1={BASE} y2={BASE} />
      {[low, (low + high) / 2, high].map((value, i) => (
        <text key={value} class="axis" x={xOf(value)} y={BASE + 18} text-anchor={["start", "middle", "end"][i]}>
          {fixed(value, 2)}
        </text>
      ))}
    </svg>
  );
}
