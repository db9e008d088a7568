/** Kinds of layers, apart from the configuration's schema: pages need these alone. */

/**
 * - `dense`  attention and MLP of every token
 * - `mod`    the same of the tokens that a router lets through: Mixture-of-Depths
 * - `moe`    attention of every token, experts in place of the MLP; with no-op experts integrated Mixture-of-Depths-and-Experts
 * - `mode`   a routed block with experts in place of its MLP: staged Mixture-of-Depths-and-Experts
 */
export const LAYER_KINDS = ["dense", "mod", "moe", "mode"] as const;
export type LayerKind = (typeof LAYER_KINDS)[number];

/** Whether a router decides which tokens a layer of this kind computes. */
export const isRouted = (kind: string): boolean => kind === "mod" || kind === "mode";

/** Whether a layer of this kind has experts in place of its MLP. */
export const hasExperts = (kind: string): boolean => kind === "moe" || kind === "mode";
