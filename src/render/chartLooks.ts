/** How series of a chart are told apart: by colour, by the shape of their points, and by their dashes. */

export interface Look {
  /** Names the class that a page may give another colour to, `series-0` for instance. */
  readonly index: number;
  readonly color: string;
  /** Path of a point, about the origin. */
  readonly marker: string;
  /** Of lines: a `stroke-dasharray`; null where they are whole. */
  readonly dash: string | null;
}

/** Told apart by the colour-blind too: Okabe and Ito, "Color universal design" (2008), without the yellow, which white paper swallows. */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const MARKERS = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", // circle
  "M-3.6 -3.6h7.2v7.2h-7.2Z", // square
  "M0 -4.8L4.6 3.4H-4.6Z", // triangle
  "M0 -5.2L5.2 0L0 5.2L-5.2 0Z", // diamond
  "M0 4.8L4.6 -3.4H-4.6Z", // triangle on its tip
];
const DASHES = [null, "7 3", "2 2.5", "8 3 2 3"];

/** The numbers of colours, shapes and dashes have no common factor but 2: sixty looks before one comes again. */
export const lookOf = (index: number): Look => ({
  index,
  color: COLORS[index % COLORS.length]!,
  marker: MARKERS[index % MARKERS.length]!,
  dash: DASHES[index % DASHES.length]!,
});

/** Path of a five-pointed star about the origin. */
export const STAR = starPath(7.5, 3.3);

function starPath(outer: number, inner: number): string {
  const corners = Array.from({ length: 10 }, (_, i) => {
    const [radius, angle] = [i % 2 === 0 ? outer : inner, (i * Math.PI) / 5];
    return `${(radius * Math.sin(angle)).toFixed(2)} ${(-radius * Math.cos(angle)).toFixed(2)}`;
  });
  return `M${corners.join("L")}Z`;
}
