/** The text itself, marked by where its tokens went. */
import { checkRoutingMap, isDense, type RoutingMap, routedCounts } from "./routingMap.ts";
import { escapeUnprintable } from "./tokenText.ts";

export interface RoutedTextStyle {
  readonly color: boolean;
  /** False keeps marks to ASCII. Default true. */
  readonly unicode?: boolean;
}

/** Text and background colours of the 256-colour palette, from few routed layers to many. */
const SHADES: readonly (readonly [text: number, background: number])[] = [
  [255, 24],
  [255, 31],
  [16, 37],
  [16, 78],
  [16, 149],
  [16, 220],
  [16, 214],
];
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/**
 * The text with each token shaded by how many routing layers it goes through ("count"), or with the tokens that go through
 * one layer marked (that layer's index). Without colour, counts stand behind the tokens and marked tokens in brackets.
 * Ends in a line that explains the marks.
 *
 * @throws where the map has no such layer.
 */
export function renderRoutedText(map: RoutingMap, layer: number | "count", style: RoutedTextStyle): string {
  checkRoutingMap(map, "renderRoutedText");
  const { marks, most, scale, plainLegend } = layer === "count" ? countMarks(map) : layerMarks(map, layer);
  const plain = layer === "count" ? counted(style.unicode ?? true) : bracketed;
  const mark = style.color ? shade : plain;
  const text = map.tokens.map((token, i) => mark(printable(token), marks[i]!, most)).join("");
  const legend = style.color ? shadeLegend(scale, most) : plainLegend;
  return `${text}\n\n${legend}`;
}

/**
 * One token of such a text, as it comes: computed by `count` of `most` routed layers. `countLegend` explains the marks.
 */
export function renderRoutedToken(token: string, count: number, most: number, style: RoutedTextStyle): string {
  return style.color ? shade(printable(token), count, most) : counted(style.unicode ?? true)(printable(token), count);
}

/** What the marks of `renderRoutedToken` mean. */
export function countLegend(most: number, { color }: Pick<RoutedTextStyle, "color">): string {
  return color ? shadeLegend(countScale(most), most) : plainCountLegend(most);
}

const countScale = (most: number): string[] =>
  Array.from({ length: most + 1 }, (_, count) => (count === 0 ? "0 routed layers" : String(count)));

const plainCountLegend = (most: number): string =>
  `The number behind a token: how many of the ${most} routed layers it goes through.`;

const shadeLegend = (scale: readonly string[], most: number): string =>
  scale.map((name, count) => shade(` ${name} `, count, most)).join(" ");

interface Marks {
  /** Per token, 0 to `most`. */
  readonly marks: readonly number[];
  readonly most: number;
  /** What each mark from 0 on means, for the legend in colour. */
  readonly scale: readonly string[];
  readonly plainLegend: string;
}

function countMarks(map: RoutingMap): Marks {
  const most = map.layers.filter((layer) => !isDense(layer)).length;
  return { marks: routedCounts(map), most, scale: countScale(most), plainLegend: plainCountLegend(most) };
}

function layerMarks(map: RoutingMap, index: number): Marks {
  const layer = map.layers.find((candidate) => candidate.index === index);
  if (!layer) {
    const indices = map.layers.map((candidate) => candidate.index).join(", ");
    throw new Error(`renderRoutedText: layer must be one of ${indices}, got ${index}; or use "count"`);
  }
  const name = `layer ${index} (${layer.kind})`;
  const scale = [`around ${name}`, "through"];
  return { marks: layer.routedThrough.map(Number), most: 1, scale, plainLegend: `[token]: goes through ${name}.` };
}

/** Line ends stay, so that the text keeps its lines. */
function printable(token: string): string {
  return token
    .split("\n")
    .map((line) => escapeUnprintable(line.replaceAll("\t", "    ")))
    .join("\n");
}

function shade(text: string, count: number, most: number): string {
  if (count === 0) return text;
  // One layer alone needs no scale: a shade from its middle.
  const step = most === 1 ? SHADES.length >> 1 : Math.round(((count - 1) / (most - 1)) * (SHADES.length - 1));
  const [foreground, background] = SHADES[step]!;
  // A background that is open at a line's end would fill the rest of the line.
  return text
    .split("\n")
    .map((line) => (line === "" ? "" : `\x1b[38;5;${foreground};48;5;${background}m${line}\x1b[0m`))
    .join("\n");
}

function bracketed(text: string, count: number): string {
  return count === 0 ? text : `[${text}]`;
}

function counted(unicode: boolean): (text: string, count: number) => string {
  return (text, count) => {
    if (count === 0) return text;
    const digits = unicode ? [...String(count)].map((digit) => SUPERSCRIPT[Number(digit)]).join("") : `(${count})`;
    // Before a line end, or it would stand at the start of the next line.
    return text.replace(/(\n*)$/, `${digits}$1`);
  };
}
