import { derived } from "../model/config.ts";
import type { WeightFormat } from "../model/weights.ts";
import type { ProductTimes, SampleSettings, Segment } from "./sampleProtocol.ts";
import { modelConfig } from "./shapes.ts";

const BYTES: Readonly<Record<WeightFormat, number>> = { float32: 4, int8: 1, int4: 0.5 };

type RoutedRows = Segment["routedRows"];

/** Mean of a value of the number of sequences that a routed block computed. */
function meanOverRows(routedRows: RoutedRows, value: (rows: number) => number): number {
  const total = routedRows.reduce((sum, times) => sum + times, 0);
  return routedRows.reduce((sum, times, rows) => sum + times * value(rows), 0) / total;
}

/** Share of its tokens that a routed block computed; null for a model without any. */
export const realisedCapacity = (routedRows: RoutedRows, batch: number): number | null =>
  routedRows.length === 0 ? null : meanOverRows(routedRows, (rows) => rows / batch);

/**
 * Time of a token step's matrix products alone, routed blocks at the numbers of rows that were really routed. Of the products of
 * the dense model a block takes its share of the weights: at one number of rows, products differ in little else.
 */
export function productsMs(settings: SampleSettings, products: ProductTimes, routedRows: RoutedRows): number {
  const { dense, mod } = countLayers(settings);
  const [block, head] = [blockElements(settings), headElements(settings)];
  const all = (dense + mod) * block + head;
  const routed = mod === 0 ? 0 : mod * block * meanOverRows(routedRows, (rows) => denseMsAt(products, rows));
  return ((dense * block + head) * denseMsAt(products, settings.batch) + routed) / all;
}

/** Between the numbers of rows that were timed on a line, and nothing for no rows. */
function denseMsAt({ rows, denseMs }: ProductTimes, count: number): number {
  if (count === 0) return 0;
  const i = rows.findIndex((timed) => timed >= count);
  if (rows[i] === count) return denseMs[i]!;
  const [low, high] = [rows[i - 1]!, rows[i]!];
  return denseMs[i - 1]! + ((denseMs[i]! - denseMs[i - 1]!) * (count - low)) / (high - low);
}

/** Bytes of matrices that a token step must read, scales of quantised ones left out: a block without rows is not read. */
export function weightBytes(settings: SampleSettings, routedRows: RoutedRows): number {
  const { dense, mod } = countLayers(settings);
  const touched = mod === 0 ? 0 : mod * meanOverRows(routedRows, Math.sign);
  return BYTES[settings.weights] * ((dense + touched) * blockElements(settings) + headElements(settings));
}

const blockElements = ({ dModel, dMlp }: SampleSettings): number => 4 * dModel ** 2 + 2 * dModel * dMlp;

const headElements = ({ dModel, vocabSize }: SampleSettings): number => dModel * vocabSize;

/** Dense and routed layers. */
function countLayers(settings: SampleSettings): { readonly dense: number; readonly mod: number } {
  const { nRouted } = derived(modelConfig(settings));
  return { dense: settings.nLayer - nRouted, mod: nRouted };
}
