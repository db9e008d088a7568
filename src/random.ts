/**
 * Random numbers as a pure function of integer keys: `uniform(seed, epoch, row)` has one value for ever.
 *
 * Nothing is stateful, so a draw does not depend on which draws came before it: work can be split, skipped, resumed
 * or repeated, and the numbers stay. Keep streams apart by giving each a key of its own, by number or by
 * {@link hashText}: `normal(seed, hashText("embedding"), i)`.
 *
 * The generator chains one 32-bit integer mixer over the keys. The mixer is of the xor-shift-multiply kind, with the
 * constants that C. Wellons's search found to have the lowest bias (hash-prospector, 2018-2022). It is not
 * cryptographic.
 */

const TWO_TO_32 = 2 ** 32;
/** 2^32 / golden ratio: an arbitrary start that is not zero, which the mixer maps to zero. */
const START = 0x9e3779b9;

/** A bijection of 32-bit integers in which each input bit flips each output bit about half of the time. */
function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}

/** Mixes one more key into a hash state. All 53 bits of the key count, so positions beyond 2^32 do not repeat. */
function absorb(state: number, key: number): number {
  if (key === key >>> 0) return mix((mix(state ^ key) + START) | 0);
  if (!Number.isSafeInteger(key)) {
    throw new RangeError(`random: keys must be safe integers, got ${key}; round it, or hash a name with hashText`);
  }
  const low = mix(state ^ (key | 0));
  return mix((low + Math.floor(key / TWO_TO_32) + START) | 0);
}

/** A 32-bit unsigned integer, uniform, from the keys in their order. `hash32(1, 2)` and `hash32(2, 1)` differ. */
export function hash32(...keys: number[]): number {
  let state = START | 0;
  for (const key of keys) state = absorb(state, key);
  return state >>> 0;
}

/** A 32-bit unsigned integer from a text: a key for {@link hash32} that stands for a name. */
export function hashText(text: string): number {
  let state = mix(text.length ^ START);
  for (let i = 0; i < text.length; i++) state = mix((state + text.charCodeAt(i) + START) | 0);
  return state >>> 0;
}

/** A number in the open interval (0, 1), with 32 random bits; never 0 and never 1, so that its logarithm is finite. */
export function uniform(...keys: number[]): number {
  return unit(hash32(...keys));
}

/** An integer in [0, n), for 1 <= n <= 2^32. Its bias is below n / 2^32. */
export function randomBelow(n: number, ...keys: number[]): number {
  if (!Number.isSafeInteger(n) || n < 1 || n > TWO_TO_32) {
    throw new RangeError(`randomBelow: n must be an integer in [1, 2^32], got ${n}`);
  }
  return Math.floor((hash32(...keys) / TWO_TO_32) * n);
}

/**
 * A standard normal number, mean 0 and variance 1, by Box and Muller:
 * `sqrt(-2 ln u1) cos(2 pi u2)`, with u1 and u2 from the keys followed by 0 and by 1. |value| < 6.8.
 */
export const normal = (...keys: number[]): number => normalOf(hash32(...keys));

/** Element i becomes `std * normal(...keys, i)`: many draws of one stream, several times as fast as one by one. */
export function fillNormal(out: Float32Array, std: number, ...keys: number[]): void {
  const stream = hash32(...keys) | 0;
  for (let i = 0; i < out.length; i++) out[i] = std * normalOf(absorb(stream, i));
}

function normalOf(stream: number): number {
  const state = absorb(START | 0, stream >>> 0);
  const radius = Math.sqrt(-2 * Math.log(unit(absorb(state, 0))));
  return radius * Math.cos(2 * Math.PI * unit(absorb(state, 1)));
}

/** A hash state as a number in (0, 1). */
const unit = (state: number): number => ((state >>> 0) + 0.5) / TWO_TO_32;
