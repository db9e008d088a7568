/** y = constant + slope (x − centre) + curvature (x − centre)². */
export interface Parabola {
  readonly centre: number;
  readonly constant: number;
  readonly slope: number;
  readonly curvature: number;
}

export interface WeightedPoint {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

const NEEDED = 3;

/** The parabola of least squares; null where there are fewer than three different x. */
export function fitParabola(points: readonly WeightedPoint[]): Parabola | null {
  if (new Set(points.map(({ x }) => x)).size < NEEDED) return null;
  const sum = (of: (point: WeightedPoint) => number) =>
    points.reduce((total, point) => total + point.weight * of(point), 0);
  const weight = sum(() => 1);
  const centre = sum(({ x }) => x) / weight;
  const power = (n: number) => sum(({ x }) => (x - centre) ** n);
  const moment = (n: number) => sum(({ x, y }) => y * (x - centre) ** n);
  // The normal equations. About the mean of x the sum of first powers is 0, which leaves them almost solved.
  const [p2, p3, p4] = [power(2), power(3), power(4)];
  const [m0, m1, m2] = [moment(0), moment(1), moment(2)];
  const curvature = (m2 - (p2 * m0) / weight - (p3 * m1) / p2) / (p4 - (p2 * p2) / weight - (p3 * p3) / p2);
  return { centre, constant: (m0 - p2 * curvature) / weight, slope: (m1 - p3 * curvature) / p2, curvature };
}

export const valueAt = ({ centre, constant, slope, curvature }: Parabola, x: number): number =>
  constant + (x - centre) * (slope + curvature * (x - centre));

/** Where it is lowest; null for one that does not open upwards. */
export const lowestAt = ({ centre, slope, curvature }: Parabola): number | null =>
  curvature > 0 ? centre - slope / (2 * curvature) : null;

/** Where it has the value y, ascending; none, one or two places. */
export function placesOf({ centre, constant, slope, curvature }: Parabola, y: number): number[] {
  const rest = constant - y;
  if (curvature === 0) return slope === 0 ? [] : [centre - rest / slope];
  const discriminant = slope ** 2 - 4 * curvature * rest;
  if (discriminant < 0) return [];
  const root = Math.sqrt(discriminant);
  return [-slope - root, -slope + root].map((top) => centre + top / (2 * curvature)).sort((a, b) => a - b);
}
