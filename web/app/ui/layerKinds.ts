/** Kinds of layers by their names. The library's own functions would bring its schema along, which is not needed here. */

/** Whether a router decides which tokens a layer computes. */
export const isRouted = (kind: string): boolean => kind === "mod" || kind === "mode";

/** Whether a layer has experts in place of its MLP. */
export const hasExperts = (kind: string): boolean => kind === "moe" || kind === "mode";
