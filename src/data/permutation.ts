import { hash32 } from "../random.ts";

/** Rounds of the network; four already make a good shuffle, eight leave room. */
const ROUNDS = 8;
/** Halves of up to 2^26 keep every number exact in a double. */
const MAX_SIZE = 2 ** 52;

/**
 * A seeded permutation of [0, size) computed one value at a time, in constant memory: `permute(i)` is a bijection.
 *
 * A Feistel network over the smallest square 2^(2h) >= size, with `hash32` as its round function, permutes the square;
 * values that land outside [0, size) are sent through again until they land inside (Black and Rogaway 2002). The
 * square is less than four times the size, so that takes fewer than four turns on average.
 */
export function seededPermutation(size: number, ...keys: number[]): (index: number) => number {
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_SIZE) {
    throw new RangeError(`seededPermutation: size must be an integer in [1, 2^52], got ${size}`);
  }
  let half = 2;
  while (half * half < size) half *= 2;
  const roundKeys = Array.from({ length: ROUNDS }, (_, round) => hash32(...keys, round));
  const turn = (value: number): number => {
    let left = Math.floor(value / half);
    let right = value % half;
    for (const key of roundKeys) {
      const mixed = (left ^ hash32(key, right)) & (half - 1);
      left = right;
      right = mixed;
    }
    return left * half + right;
  };
  return (index) => {
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new RangeError(`seededPermutation: index must be an integer in [0, ${size}), got ${index}`);
    }
    let value = turn(index);
    while (value >= size) value = turn(value);
    return value;
  };
}
