import type { ModelConfig } from "../model/config.ts";
import { hasExperts, isRouted } from "../model/layerKind.ts";
import type { ClaimKind } from "./claims.ts";
import { familyModel } from "./plan.ts";
import type { Study } from "./studySchema.ts";

/** What the paper (arXiv 2404.02258) says of a comparison, at its scale. */
export interface PaperClaim {
  readonly words: string;
  /** What an interval must lie on one side of; null: nothing that could be judged. */
  readonly judged: { readonly is: "below" | "above"; readonly than: number } | null;
}

const BELOW_0 = { is: "below", than: 0 } as const;

/** Of Mixture-of-Depths against the dense model, and against random routing (section 4.1). */
const DEPTHS: Readonly<Record<ClaimKind, PaperClaim | null>> = {
  loss: { words: "up to 1.5 % lower", judged: BELOW_0 },
  forwardFlops: { words: "down to 0.5", judged: { is: "below", than: 1 } },
  parameters: { words: "more than 1", judged: { is: "above", than: 1 } },
  control: { words: "random routing drastically worse", judged: BELOW_0 },
  causal: { words: "costs little", judged: null },
  optimumForwardFlops: { words: "about the same", judged: null },
  equalForwardFlops: null,
};

/** Of Mixture-of-Depths-and-Experts against experts alone (section 4.3). */
const WITH_EXPERTS: PaperClaim = { words: "lower: its gains add to those of experts", judged: BELOW_0 };
const NO_OPS: PaperClaim = { words: "no-op experts distinctly better than fewer slots", judged: BELOW_0 };

/** null: the paper compares no such models, or gives nothing. */
export function paperClaim(study: Study, kind: ClaimKind, candidate: string, other: string): PaperClaim | null {
  const [ours, theirs] = [traits(study, candidate), traits(study, other)];
  if (kind === "causal") return ours.depth === "learned" ? DEPTHS.causal : null;
  if (!ours.experts && !theirs.experts && ours.depth === "learned") {
    return theirs.depth === (kind === "control" ? "random" : "none") ? DEPTHS[kind] : null;
  }
  const isBoth = ours.experts && (ours.depth === "learned" || ours.noOps);
  const isPlain = theirs.experts && theirs.depth === "none" && !theirs.noOps;
  if (!isBoth || !isPlain) return null;
  if (kind === "loss") return WITH_EXPERTS;
  return kind === "control" && ours.noOps ? NO_OPS : null;
}

interface Traits {
  /** Whether and by what tokens pass around whole blocks. */
  readonly depth: "none" | "learned" | "random";
  readonly experts: boolean;
  readonly noOps: boolean;
}

function traits(study: Study, family: string): Traits {
  const { pattern = ["dense"], routing, experts } = familyModel(study, family) as ModelFields;
  const withExperts = pattern.some(hasExperts);
  return {
    depth: pattern.some(isRouted) ? (routing?.kind ?? "none") : "none",
    experts: withExperts,
    noOps: withExperts && (experts?.noOps ?? 0) > 0,
  };
}

/** Of a model's configuration, before its defaults. */
interface ModelFields {
  readonly pattern?: ModelConfig["pattern"];
  readonly routing?: { readonly kind: Traits["depth"] };
  readonly experts?: { readonly noOps?: number };
}
