/** The 97.5th percentile of the normal distribution. */
const NORMAL_975 = 1.959964;
const BISECTIONS = 60;
const WITHIN = 0.95;

/**
 * How much wider a 95 % interval must be for a standard deviation that is estimated, with so many degrees of freedom: Student's
 * 97.5th percentile over the normal one. 6.5 for one, 1.18 for eight.
 */
export function studentFactor(freedom: number): number {
  if (!(Number.isInteger(freedom) && freedom > 0))
    throw new RangeError(`studentFactor: freedom must be an integer above 0, got ${freedom}`);
  // Over the angle whose tangent is t / sqrt(freedom), which is bounded.
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (withinAngle(middle, freedom) < WITHIN) low = middle;
    else high = middle;
  }
  return (Math.sqrt(freedom) * Math.tan(low)) / NORMAL_975;
}

/** P(|T| < sqrt(freedom) tan(angle)): Abramowitz and Stegun (1964), 26.7.3 and 26.7.4. */
function withinAngle(angle: number, freedom: number): number {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = freedom % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let power = isOdd ? 3 : 2; power <= freedom - 2; power += 2) {
    term *= ((power - 1) / power) * cosine ** 2;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}
