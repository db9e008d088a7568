/** How the next token is drawn from its distribution; {@link sampleToken} says in which order the options apply. */
export interface SamplerOptions {
  /** Divides the logits; 0 takes the most likely token. */
  readonly temperature: number;
  /** Only the k most likely tokens; 0 for all. */
  readonly topK: number;
  /** Only the most likely tokens whose probabilities add up to p, at least one, in (0, 1]; 1 for all. */
  readonly topP: number;
  /** Only tokens at least this many times as likely as the most likely one, in [0, 1]; 0 for all. */
  readonly minP: number;
  /**
   * Divides the logits of tokens that were `seen` where they are positive, and multiplies them where negative
   * (Keskar et al. 2019, CTRL); 1 for none. In [1e-6, 1e6], so that no logit overflows.
   */
  readonly repetitionPenalty: number;
}

export const SAMPLER_DEFAULTS: SamplerOptions = { temperature: 0.8, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };

/** A token, and its log probability in the model's own distribution: at temperature 1, before penalty and cuts; nats. */
export interface TokenLogProbability {
  readonly id: number;
  readonly logProbability: number;
}

/** Throws a RangeError that names the first option out of its range. */
export function checkSampler(options: SamplerOptions): void {
  const { temperature, topK, topP, minP, repetitionPenalty } = options;
  const check = (name: keyof SamplerOptions, holds: boolean, rule: string) => {
    if (!holds) throw new RangeError(`sampler: ${name} must be ${rule}, got ${options[name]}`);
  };
  check("temperature", temperature >= 0 && Number.isFinite(temperature), "a number of at least 0");
  check("topK", Number.isSafeInteger(topK) && topK >= 0, "an integer of at least 0");
  check("topP", topP > 0 && topP <= 1, "in (0, 1]");
  check("minP", minP >= 0 && minP <= 1, "in [0, 1]");
  check("repetitionPenalty", repetitionPenalty >= 1e-6 && repetitionPenalty <= 1e6, "in [1e-6, 1e6]");
}

/**
 * A token drawn from logits [V], which stay as they are.
 *
 * In this order: repetition penalty; temperature; top-k; top-p, of the probability that top-k left; min-p, relative
 * to the most likely token after temperature. Of equally likely tokens a cut keeps the lower ids. The token drawn is
 * the first, in the order of ids, at which the summed probability of those kept exceeds `uniform`.
 *
 * @param uniform in [0, 1): the same number draws the same token
 * @param seen ids to which the repetition penalty applies, once each however often they occur
 * @throws RangeError for an argument out of range, for NaN among the logits, or without a finite largest logit
 */
export function sampleToken(
  logits: Float32Array,
  options: SamplerOptions,
  uniform: number,
  seen: Iterable<number> = [],
): TokenLogProbability {
  checkSampler(options);
  if (!(uniform >= 0 && uniform < 1)) throw new RangeError(`sampler: uniform must be in [0, 1), got ${uniform}`);
  const scores = scratchCopy(logits);
  const normalizer = logSumExp(scores);
  if (options.repetitionPenalty !== 1) penalize(scores, logits, options.repetitionPenalty, seen);
  const id = options.temperature === 0 ? scores.indexOf(largestOf(scores)) : draw(scores, options, uniform);
  return { id, logProbability: logits[id]! - normalizer };
}

/**
 * The `count` most likely tokens of logits [V], or all V if those are fewer; most likely first, equally likely ones
 * by id.
 *
 * @throws RangeError for a count that is not a positive integer, and for logits as {@link sampleToken} does
 */
export function topLogProbabilities(logits: Float32Array, count: number): TokenLogProbability[] {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`topLogProbabilities: count must be an integer of at least 1, got ${count}`);
  }
  const scores = scratchCopy(logits);
  const normalizer = logSumExp(scores);
  return keptIds(scores, selectTopK(scores, Math.min(count, logits.length)))
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .map((id) => ({ id, logProbability: logits[id]! - normalizer }));
}

/** From the logits, not from the scores, so that a token seen twice is penalized once. */
function penalize(scores: Float64Array, logits: Float32Array, penalty: number, seen: Iterable<number>): void {
  for (const id of seen) {
    const logit = logits[id];
    if (logit === undefined) {
      throw new RangeError(`sampler: seen must hold token ids in [0, V=${logits.length}), got ${id}`);
    }
    scores[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

/** Draws from scores [V], whose place the weights take; a weight that is cut becomes 0. */
function draw(scores: Float64Array, { temperature, topK, topP, minP }: SamplerOptions, uniform: number): number {
  let mass = toWeights(scores, temperature);
  if (topK > 0 && topK < scores.length) mass = applyCut(scores, selectTopK(scores, topK));
  if (topP < 1) mass = applyCut(scores, selectTopP(scores, topP, mass));
  if (minP > 0) mass = applyCut(scores, { bound: minP, ties: Number.POSITIVE_INFINITY });
  return firstBeyond(scores, uniform * mass);
}

/** Scores become weights, exp((score − largest) / temperature), of which the largest is 1. Returns their sum. */
function toWeights(scores: Float64Array, temperature: number): number {
  const largest = largestOf(scores);
  let total = 0;
  for (let id = 0; id < scores.length; id++) {
    const weight = expMinus((largest - scores[id]!) / temperature);
    scores[id] = weight;
    total += weight;
  }
  return total;
}

/** The first token at which the summed weights exceed `mass`. */
function firstBeyond(weights: Float64Array, mass: number): number {
  let sum = 0;
  for (let id = 0; id < weights.length; id++) {
    sum += weights[id]!;
    if (sum > mass) return id;
  }
  // A number next to 1, times the sum of all, was rounded to that sum.
  return weights.findLastIndex((weight) => weight > 0);
}

/** Which values are kept: those above `bound`, and of those equal to it the first `ties`. */
interface Cut {
  readonly bound: number;
  readonly ties: number;
}

/** Sets the weights that are not kept to 0. Returns the sum of those kept. */
function applyCut(weights: Float64Array, { bound, ties }: Cut): number {
  let [mass, tiesLeft] = [0, ties];
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id]!;
    if (weight > bound || (weight === bound && tiesLeft-- > 0)) mass += weight;
    else weights[id] = 0;
  }
  return mass;
}

function keptIds(values: Float64Array, { bound, ties }: Cut): number[] {
  const ids: number[] = [];
  let tiesLeft = ties;
  for (let id = 0; id < values.length; id++) {
    if (values[id]! > bound || (values[id] === bound && tiesLeft-- > 0)) ids.push(id);
  }
  return ids;
}

/** Keeps the k largest values, 1 <= k <= V. */
function selectTopK(values: Float64Array, k: number): Cut {
  return select(candidatesFrom(values, leastOfTop(values, k)), k, "count");
}

/** Keeps the fewest of the largest weights that add up to p times their mass. */
function selectTopP(weights: Float64Array, p: number, mass: number): Cut {
  // Weights below this add up to less than 1 - p times the mass, so that the others reach p without them.
  const least = ((1 - p) * mass) / weights.length;
  return select(candidatesFrom(weights, least), p * mass, "sum");
}

/**
 * A number that at least k values reach: the k-th largest of the maxima of 4k groups. Where k is small, few other
 * values reach it.
 */
function leastOfTop(values: Float64Array, k: number): number {
  const groups = 4 * k;
  if (groups > values.length / 2) return Number.NEGATIVE_INFINITY;
  const maxima = new Float64Array(groups).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < values.length; i++) {
    const group = i % groups;
    if (values[i]! > maxima[group]!) maxima[group] = values[i]!;
  }
  return select(maxima, k, "count").bound;
}

/** A copy of the values of at least `least`, good until the next call. */
function candidatesFrom(values: Float64Array, least: number): Float64Array {
  const candidates = scratch("candidates", values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    candidates[count] = values[i]!;
    if (values[i]! >= least) count++;
  }
  return candidates.subarray(0, count);
}

/**
 * Keeps the fewest of the largest values whose number, or whose sum, reaches the target. Reorders the values: a
 * quickselect, of linear time on average.
 */
function select(values: Float64Array, target: number, measure: "count" | "sum"): Cut {
  let [start, end, missing] = [0, values.length, target];
  for (;;) {
    const pivot = medianOf(values[start]!, values[(start + end) >> 1]!, values[end - 1]!);
    const [equalStart, equalEnd] = partition(values, start, end, pivot);
    const larger = measure === "count" ? equalStart - start : sumOf(values, start, equalStart);
    if (larger >= missing) {
      end = equalStart;
      continue;
    }
    missing -= larger;
    const unit = measure === "count" ? 1 : pivot;
    const equal = equalEnd - equalStart;
    // A sum in another order may fall short by a rounding; then all the values are kept.
    if (equal * unit >= missing || equalEnd === end) {
      return { bound: pivot, ties: Math.min(equal, Math.ceil(missing / unit)) };
    }
    missing -= equal * unit;
    start = equalEnd;
  }
}

/** Puts the values in [start, end) above the pivot first, those equal to it next. Returns where the latter start and end. */
function partition(values: Float64Array, start: number, end: number, pivot: number): [number, number] {
  let [equalStart, next, equalEnd] = [start, start, end];
  while (next < equalEnd) {
    const value = values[next]!;
    if (value < pivot) {
      values[next] = values[--equalEnd]!;
      values[equalEnd] = value;
    } else {
      if (value > pivot) {
        values[next] = values[equalStart]!;
        values[equalStart++] = value;
      }
      next++;
    }
  }
  return [equalStart, equalEnd];
}

const medianOf = (a: number, b: number, c: number): number => Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));

function sumOf(values: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += values[i]!;
  return sum;
}

/** ln Σ exp(score). Every check of logits is here. */
function logSumExp(scores: Float64Array): number {
  const largest = largestOf(scores);
  let total = 0;
  for (let id = 0; id < scores.length; id++) total += expMinus(largest - scores[id]!);
  // NaN where a logit is, and where the largest is infinite; 0 of no logits at all
  if (!(total > 0)) throw new RangeError(`sampler: ${faultOf(scores, largest)}; the model's output is not usable`);
  return largest + Math.log(total);
}

function faultOf(scores: Float64Array, largest: number): string {
  const id = scores.findIndex(Number.isNaN);
  return id < 0
    ? `the largest logit must be finite, got ${largest}`
    : `logits must be numbers, got NaN for token ${id}`;
}

function largestOf(scores: Float64Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < scores.length; id++) if (scores[id]! > largest) largest = scores[id]!;
  return largest;
}

const EXP_STEPS = 64;
/** exp(-746) and all beyond are 0 in double precision. */
const EXP_END = 746;
const EXP_WHOLES = Float64Array.from({ length: EXP_END }, (_, i) => Math.exp(-i));
const EXP_FRACTIONS = Float64Array.from({ length: EXP_STEPS }, (_, i) => Math.exp(-i / EXP_STEPS));

/**
 * exp(-x) of x >= 0, to a relative 3e-14: the whole part and the 64ths of x by table, the rest by Taylor's series.
 * `Math.exp` takes four times as long, and would be most of a draw.
 */
function expMinus(x: number): number {
  if (x >= EXP_END) return 0;
  const steps = (x * EXP_STEPS) | 0;
  const rest = x - steps / EXP_STEPS;
  const series = 1 - rest * (1 - rest * (1 / 2 - rest * (1 / 6 - rest * (1 / 24 - rest / 120))));
  return EXP_WHOLES[(steps / EXP_STEPS) | 0]! * EXP_FRACTIONS[steps % EXP_STEPS]! * series;
}

const buffers = { scores: new Float64Array(0), candidates: new Float64Array(0) };

/** Memory that every call uses again, uncleared: to allocate it takes a quarter of the time of a draw. */
function scratch(name: keyof typeof buffers, length: number): Float64Array {
  if (buffers[name].length < length) buffers[name] = new Float64Array(length);
  return buffers[name].subarray(0, length);
}

function scratchCopy(logits: Float32Array): Float64Array {
  const scores = scratch("scores", logits.length);
  scores.set(logits);
  return scores;
}
