import { useState } from "preact/hooks";
import { type Scale, scaleOf } from "../../../../src/render/axis.ts";
import { lookOf, STAR } from "../../../../src/render/chartLooks.ts";
import type { StudyFitView, StudyRunView } from "../../../../src/ui/api.ts";
import { short } from "../../format.ts";
import { useLook } from "../../theme.ts";
import { seriesColor } from "../../ui/palette.ts";
import { useWidth } from "../../ui/useWidth.ts";

type Quantity = "parameters" | "forwardFlopsPerToken";

interface IsoFlopChartProps {
  readonly budget: number;
  readonly fits: readonly StudyFitView[];
  /** All of the study, in its order: a family looks the same in every chart. */
  readonly families: readonly string[];
  readonly quantity: Quantity;
}

const HEIGHT = 340;
const ROOM = { left: 46, right: 14, top: 14, bottom: 44 };
const BOTTOM = HEIGHT - ROOM.bottom;

/** The runs of one budget with each family's parabola. */
export function IsoFlopChart({ budget, fits, families, quantity }: IsoFlopChartProps) {
  const [told, tell] = useState<{ readonly run: StudyRunView; readonly family: string } | null>(null);
  const [frame, width] = useWidth<HTMLElement>(420);
  const runs = fits.flatMap((fit) => fit.runs);
  const curves = fits.flatMap(({ minimum }) => minimum?.curve ?? []);
  const x = scaleOf(
    runs.map((run) => run[quantity]),
    { kind: "log", length: width - ROOM.left - ROOM.right, gap: 46 },
  );
  const y = scaleOf(
    [...runs, ...curves].map(({ lossNats }) => lossNats),
    { kind: "linear", length: BOTTOM - ROOM.top, gap: 30 },
  );
  const place: Place = { x: (value) => ROOM.left + x.at(value), y: (value) => BOTTOM - y.at(value) };
  return (
    <figure class="iso-chart" ref={frame}>
      <figcaption>{short(budget)} training FLOPs</figcaption>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="group" aria-label={`Runs at ${short(budget)} training FLOPs`}>
        <Axes x={x} y={y} width={width} label={quantity === "parameters" ? "parameters" : "forward FLOPs a token"} />
        {fits.map((fit) => (
          <Family
            key={fit.family}
            {...{ fit, place, quantity, tell }}
            index={families.indexOf(fit.family)}
            told={told?.run.id}
          />
        ))}
      </svg>
      <p class="iso-told" role="status">
        {told === null
          ? "Point at a run."
          : `${told.family} ${told.run.size}, seed ${told.run.seed}: ${told.run.lossNats.toFixed(4)} nats under ${told.run.rule}${told.run.topkLossNats === null ? "" : `, ${told.run.topkLossNats.toFixed(4)} under top-k`}; ${short(told.run.parameters)} parameters, ${short(told.run.steps)} steps`}
      </p>
    </figure>
  );
}

interface Place {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

function Axes({ x, y, width, label }: { x: Scale; y: Scale; width: number; label: string }) {
  const right = width - ROOM.right;
  return (
    <g aria-hidden="true">
      {y.ticks.map(({ at, text }) => (
        <g key={text}>
          <line class="grid" x1={ROOM.left} x2={right} y1={BOTTOM - at} y2={BOTTOM - at} />
          <text class="axis" x={ROOM.left - 8} y={BOTTOM - at + 4} text-anchor="end">
            {text}
          </text>
        </g>
      ))}
      {x.ticks.map(({ at, text }) => (
        <g key={text}>
          <line class="grid" x1={ROOM.left + at} x2={ROOM.left + at} y1={ROOM.top} y2={BOTTOM} />
          <text class="axis" x={ROOM.left + at} y={BOTTOM + 18} text-anchor="middle">
            {text}
          </text>
        </g>
      ))}
      <line class="base" x1={ROOM.left} x2={right} y1={BOTTOM} y2={BOTTOM} />
      <text class="axis" x={(ROOM.left + right) / 2} y={HEIGHT - 6} text-anchor="middle">
        {label}
      </text>
    </g>
  );
}

interface FamilyProps {
  readonly fit: StudyFitView;
  readonly index: number;
  readonly place: Place;
  readonly quantity: Quantity;
  readonly told: string | undefined;
  readonly tell: (told: { readonly run: StudyRunView; readonly family: string }) => void;
}

function Family({ fit, index, place, quantity, told, tell }: FamilyProps) {
  const color = seriesColor(index, useLook());
  const { marker, dash } = lookOf(index);
  const { minimum, runs, family } = fit;
  return (
    <g>
      {minimum !== null && (
        <polyline
          points={minimum.curve
            .map((point) => `${place.x(point[quantity]).toFixed(1)},${place.y(point.lossNats).toFixed(1)}`)
            .join(" ")}
          fill="none"
          stroke={color}
          stroke-width="1.6"
          {...(dash !== null && { "stroke-dasharray": dash })}
        />
      )}
      {runs.map((run) => (
        <g
          key={run.id}
          class={told === run.id ? "iso-point is-told" : "iso-point"}
          transform={`translate(${place.x(run[quantity]).toFixed(1)} ${place.y(run.lossNats).toFixed(1)})`}
          tabIndex={0}
          role="img"
          aria-label={`${family} ${run.size}, seed ${run.seed}: ${run.lossNats.toFixed(4)} nats`}
          onPointerEnter={() => tell({ run, family })}
          onFocus={() => tell({ run, family })}
        >
          <circle r="11" fill="transparent" />
          <path d={marker} fill={color} />
        </g>
      ))}
      {minimum !== null && <Minimum {...{ fit, color, place, quantity }} />}
    </g>
  );
}

function Minimum({
  fit,
  color,
  place,
  quantity,
}: {
  fit: StudyFitView;
  color: string;
  place: Place;
  quantity: Quantity;
}) {
  const minimum = fit.minimum!;
  const [cx, cy] = [place.x(minimum[quantity]), place.y(minimum.lossNats)];
  const { intervals } = fit;
  return (
    <g aria-hidden="true">
      {intervals !== null && (
        <line
          x1={cx}
          x2={cx}
          y1={place.y(intervals.lossNats.low)}
          y2={place.y(intervals.lossNats.high)}
          stroke={color}
          stroke-width="1.4"
        />
      )}
      <path
        d={STAR}
        transform={`translate(${cx.toFixed(1)} ${cy.toFixed(1)})`}
        class={minimum.isBracketed ? "star" : "star is-hollow"}
        style={{ color }}
      />
    </g>
  );
}
