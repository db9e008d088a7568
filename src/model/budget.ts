import {
  add,
  and,
  cast,
  floor,
  greaterOrEqual,
  less,
  matmul,
  maximum,
  mul,
  neg,
  placesAlong,
  reshape,
  scalar,
  sub,
  type Tensor,
  where,
} from "../graph/index.ts";

/** Most tokens that a routed layer may compute of the first `tokens` of a sequence: a share of them, rounded up. */
export const allowance = (share: number, tokens: number): number => Math.ceil(share * tokens);

/**
 * Decisions that keep to a budget: a token that would go through does, unless its layer has already computed as many as it may
 * of the tokens so far. Causal, and what a step by step count gives.
 *
 * With R_t the tokens up to t that would go through, and B_t the allowance, the count is N_t = min(N_{t−1} + wanted_t, B_t), or
 * R_t + min(0, min_{s ≤ t} (B_s − R_s)): no loop is needed.
 *
 * @param wanted what would go through, bool [B, T]; T may be symbolic
 */
export function withinBudget(wanted: Tensor, share: number): Tensor {
  const places = placesAlong(wanted, 1); //                                                  int64 [T]
  const [t] = places.shape as [Tensor["shape"][number]];
  const [rows, columns] = [reshape(places, [t, 1]), reshape(places, [1, t])];
  const ones = cast(wanted, "float32");
  const untilNow = matmul(ones, cast(greaterOrEqual(columns, rows), "float32")); //           R [B, T]
  const allowed = allowances(places, share); //                                               B [T]

  const left = reshape(sub(allowed, untilNow), [wanted.shape[0]!, 1, t]); //                  B_s − R_s [B, 1, T]
  const earlier = reshape(less(columns, rows), [1, t, t]);
  const over = maximum(neg(where(earlier, left, scalar("float32", 0)))); //                   [B, T]
  const before = sub(sub(untilNow, ones), over); //                                           N_{t−1}
  return and(wanted, greaterOrEqual(allowed, add(before, scalar("float32", 1))));
}

/** `allowance` of the tokens up to each place, in double precision, as it is there: float32 [T]. */
function allowances(places: Tensor, share: number): Tensor {
  const tokens = add(cast(places, "float64"), scalar("float64", 1));
  return cast(neg(floor(neg(mul(tokens, share)))), "float32");
}
