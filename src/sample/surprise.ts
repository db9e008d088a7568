/** −ln p of a token and the entropy −Σ p ln p, nats, under the softmax of logits [V]. */
export function surprise(
  logits: Float32Array,
  token: number,
): { readonly lossNats: number; readonly entropyNats: number } {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  let [sum, weighted] = [0, 0];
  for (const logit of logits) {
    const power = Math.exp(logit - largest);
    sum += power;
    weighted += power * (logit - largest);
  }
  const logSum = Math.log(sum);
  return { lossNats: logSum - (logits[token]! - largest), entropyNats: logSum - weighted / sum };
}
