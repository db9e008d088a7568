/**
 * Names used everywhere in this project, and the paper's symbols for them (Raposo et al. 2024, arXiv 2404.02258).
 *
 * Axis letters, in shape comments and docstrings:
 *
 *     B batch · T tokens of a sequence · C capacity (tokens routed through) · D model width · N heads · K key/value heads
 *     H head size · F MLP width · V vocabulary · L layers · P predictor width · E experts · O no-op experts · S slots of an
 *     expert (tokens of a sequence that it takes while training)
 *
 * | paper            | here            | meaning                                                              |
 * |------------------|-----------------|----------------------------------------------------------------------|
 * | S                | T, `seqLen`     | tokens in a sequence                                                 |
 * | C, k             | C, `capacity`   | tokens that a routed block computes, an integer                      |
 * | C / S            | `capacityRatio` | capacity as a fraction of the sequence                               |
 * | r                | `routerWeights` | one scalar per token and routed block                                |
 * | f(X~)            | `delta`         | attention and MLP contribution, without the outer residual           |
 * | beta-percentile  | `topTokens`     | positions of the C largest router weights of a sequence              |
 * | route through    | `routedThrough` | the token is computed by the block                                   |
 * | route around     | `routedAround`  | the token keeps its residual stream unchanged                        |
 */

/** A tensor in memory: what parameters, optimizer state and checkpoints are made of. Row-major. */
export interface NamedArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Arrays by name; insertion order is the order on disk. */
export type NamedArrays = ReadonlyMap<string, NamedArray>;
