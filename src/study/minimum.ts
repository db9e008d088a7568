import { fitParabola, lowestAt, type Parabola, placesOf, valueAt } from "./parabola.ts";
import { mean } from "./statistics.ts";

/** A size as it is fitted. */
export interface SizeLoss {
  readonly parameters: number;
  readonly forwardFlopsPerToken: number;
  /** Mean over its runs, nats a token. */
  readonly lossNats: number;
  /** How many runs it is the mean of. */
  readonly weight: number;
}

/** Where a family's loss is lowest at a budget. */
export interface Minimum {
  /**
   * Whether the parabola has its minimum between the smallest and the largest size that were run. Where not, everything below is
   * that of the best size: nothing is extrapolated.
   */
  readonly bracketed: boolean;
  readonly parameters: number;
  /** Between two sizes its logarithm is linear in that of the parameters. */
  readonly forwardFlopsPerToken: number;
  readonly lossNats: number;
  /** Loss over ln(parameters), least squares over runs. */
  readonly overParameters: Parabola;
  /** Loss over ln(forward FLOPs per token); null where these do not differ enough. */
  readonly overForwardFlops: Parabola | null;
}

/** @param sizes ascending in parameters; null comes of fewer than three */
export function minimumOf(sizes: readonly SizeLoss[]): Minimum | null {
  const over = (of: (size: SizeLoss) => number) =>
    fitParabola(sizes.map((size) => ({ x: Math.log(of(size)), y: size.lossNats, weight: size.weight })));
  const overParameters = over(({ parameters }) => parameters);
  if (overParameters === null) return null;
  const fits = { overParameters, overForwardFlops: over((size) => size.forwardFlopsPerToken) };
  const place = lowestAt(overParameters);
  const [low, high] = logRange(sizes);
  if (place === null || place <= low || place >= high) {
    const { parameters, forwardFlopsPerToken, lossNats } = bestOf(sizes);
    return { bracketed: false, parameters, forwardFlopsPerToken, lossNats, ...fits };
  }
  const parameters = Math.exp(place);
  const forwardFlopsPerToken = forwardFlopsAt(sizes, parameters);
  return { bracketed: true, parameters, forwardFlopsPerToken, lossNats: valueAt(overParameters, place), ...fits };
}

/** How far the sizes' losses lie from the parabola, root mean square, nats a token: what no interval over seeds holds. */
export function misfit({ overParameters }: Minimum, sizes: readonly Omit<SizeLoss, "weight">[]): number {
  const squares = sizes.map((size) => (size.lossNats - valueAt(overParameters, Math.log(size.parameters))) ** 2);
  return Math.sqrt(mean(squares));
}

/** The size of the lowest mean loss. */
export const bestOf = <T extends Pick<SizeLoss, "lossNats">>(sizes: readonly T[]): T =>
  sizes.reduce((best, size) => (size.lossNats < best.lossNats ? size : best));

type Shape = Pick<SizeLoss, "parameters" | "forwardFlopsPerToken">;

/** Forward FLOPs per token of a model between two sizes. */
export function forwardFlopsAt(sizes: readonly Shape[], parameters: number): number {
  const next = sizes.findIndex((size, i) => i > 0 && size.parameters >= parameters);
  const [above, below] = [sizes[next]!, sizes[next - 1]!];
  const span = Math.log(above.parameters / below.parameters);
  const share = span === 0 ? 0 : Math.log(parameters / below.parameters) / span;
  return below.forwardFlopsPerToken * (above.forwardFlopsPerToken / below.forwardFlopsPerToken) ** share;
}

/** Fewest parameters, between the smallest and the largest size, at which the fitted loss is not above `lossNats`; null: none. */
export function fewestParametersFor(
  lossNats: number,
  { overParameters }: Minimum,
  sizes: readonly Shape[],
): number | null {
  const [low, high] = logRange(sizes);
  if (valueAt(overParameters, low) <= lossNats) return sizes[0]!.parameters;
  const place = placesOf(overParameters, lossNats).find((each) => each > low && each <= high);
  return place === undefined ? null : Math.exp(place);
}

/** Fitted loss at so many forward FLOPs per token; null outside what was run. */
export function lossAtForwardFlops(
  flops: number,
  { overForwardFlops }: Minimum,
  sizes: readonly Shape[],
): number | null {
  const all = sizes.map(({ forwardFlopsPerToken }) => forwardFlopsPerToken);
  if (overForwardFlops === null || flops < Math.min(...all) || flops > Math.max(...all)) return null;
  return valueAt(overForwardFlops, Math.log(flops));
}

const logRange = (sizes: readonly Shape[]): [low: number, high: number] => [
  Math.log(sizes[0]!.parameters),
  Math.log(sizes.at(-1)!.parameters),
];
