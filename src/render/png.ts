/** SVG to PNG, with fonts that come along, so that text shows on a machine without any. */
import { createRequire } from "node:module";
import type { RoutingMap } from "./routingMap.ts";
import { renderRoutingMapSvg, type SvgStyle } from "./svg.ts";
import { hasWideText } from "./tokenText.ts";

export interface PngStyle extends SvgStyle {
  /** Pixels of the PNG per pixel of the SVG. Default 2, for sharp text on dense displays. */
  readonly scale?: number;
}

const FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono"];

/** Draws a routing map as a PNG; see `renderRoutingMapSvg`. */
export async function renderRoutingMapPng(map: RoutingMap, { scale, ...style }: PngStyle = {}): Promise<Uint8Array> {
  return svgToPng(renderRoutingMapSvg(map, style), scale);
}

/** The bytes of a PNG of an SVG, `scale` times as large. */
export async function svgToPng(svg: string, scale = 2): Promise<Uint8Array> {
  if (!(scale > 0 && scale <= 16))
    throw new Error(`svgToPng: scale must be above 0 and at most 16, got ${scale}; use 2`);
  const { Resvg } = await loadResvg();
  const { resolve } = createRequire(import.meta.url);
  const picture = new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    font: {
      fontFiles: FONTS.map((name) => resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`)),
      // The machine's own fonts would make the picture depend on it: only for scripts that would be empty boxes otherwise.
      loadSystemFonts: hasWideText(svg),
      defaultFontFamily: "DejaVu Sans",
      sansSerifFamily: "DejaVu Sans",
      monospaceFamily: "DejaVu Sans Mono",
    },
  });
  return picture.render().asPng();
}

/** Loaded when needed: it is native code, and nothing else of this library should depend on its running here. */
async function loadResvg(): Promise<typeof import("@resvg/resvg-js")> {
  try {
    return await import("@resvg/resvg-js");
  } catch (cause) {
    throw new Error(
      `svgToPng: the renderer @resvg/resvg-js must load, got none for ${process.platform} ${process.arch}; write an .svg instead`,
      { cause },
    );
  }
}
