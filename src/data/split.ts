/**
 * Which text is trained on and which is held out.
 *
 * By document: document i (of those that have text) goes to validation when `uniform(seed, i, name)` falls below the validation fraction, so the
 * split depends on the seed, the order and the names, and on nothing else. Each side gets one document at least: where
 * one side would be empty, the document with the lowest number goes to validation, or that with the highest to training.
 *
 * A single document is split by position: its last `validationFraction` is held out, cut at the paragraph nearest to
 * that place, or else at a line, a word, a character. A paragraph, line or word counts when it leaves validation
 * between half and one and a half of its fraction.
 */

import { hashText, uniform } from "../random.ts";
import type { Document } from "./document.ts";

export type Part = "train" | "validation";

export interface SplitRule {
  readonly seed: number;
  /** Share of the documents held out, in (0, 1). */
  readonly validationFraction: number;
}

export const DEFAULT_VALIDATION_FRACTION = 0.05;
/** Key that keeps the split's random numbers apart from others of the same seed. */
const SPLIT = hashText("split");

/** How the documents are divided, once all of them are known by name. */
export interface SplitPlan {
  readonly by: "document" | "position";
  readonly documents: number;
  /** The texts that come of document `index`: one, or two where a single document is split by position. */
  partsOf(index: number, document: Document): { readonly part: Part; readonly document: Document }[];
}

const BOUNDARIES: readonly RegExp[] = [/\n\s*\n/g, /\n/g, /\s/g];

/** Ends of the matches, in order. */
function* boundaryEnds(text: string, boundary: RegExp): Generator<number> {
  for (const match of text.matchAll(boundary)) yield match.index + match[0].length;
}

/** Where a text is cut so that about its last `fraction` is held out; both sides are non-empty for 2+ characters. */
export function cutPosition(text: string, fraction: number): number {
  const wanted = text.length * (1 - fraction);
  const tolerance = (text.length * fraction) / 2;
  for (const boundary of BOUNDARIES) {
    let best = 0;
    for (const end of boundaryEnds(text, boundary)) {
      if (end < text.length && Math.abs(end - wanted) < Math.abs(best - wanted)) best = end;
      if (end > wanted) break;
    }
    if (best > 0 && Math.abs(best - wanted) <= tolerance) return best;
  }
  const cut = Math.min(text.length - 1, Math.max(1, Math.round(wanted)));
  // A surrogate pair stays whole.
  const inPair = text.codePointAt(cut - 1)! > 0xffff;
  return inPair ? (cut + 1 < text.length ? cut + 1 : cut - 1) : cut;
}

function splitByPosition(document: Document, fraction: number) {
  const cut = cutPosition(document.text, fraction);
  const [head, tail] = [document.text.slice(0, cut), document.text.slice(cut)];
  if (head === "" || tail === "") {
    const length = document.text.length;
    throw new Error(`split: a single document must have 2 characters or more, got ${length}; give more text`);
  }
  return [
    { part: "train" as const, document: { name: document.name, text: head } },
    { part: "validation" as const, document: { name: document.name, text: tail } },
  ];
}

/** Sees all documents once, in order, and then knows how they are split. Memory does not grow with their number. */
export class SplitTally {
  readonly #rule: SplitRule;
  #documents = 0;
  #held = 0;
  #lowest = { index: -1, value: Number.POSITIVE_INFINITY };
  #highest = { index: -1, value: Number.NEGATIVE_INFINITY };

  constructor(rule: SplitRule) {
    const fraction = rule.validationFraction;
    if (!(fraction > 0 && fraction < 1)) {
      throw new RangeError(`split: validationFraction must lie between 0 and 1, got ${fraction}; 0.05 is usual`);
    }
    if (!Number.isSafeInteger(rule.seed)) throw new RangeError(`split: seed must be an integer, got ${rule.seed}`);
    this.#rule = rule;
  }

  #number(index: number, name: string): number {
    return uniform(this.#rule.seed, SPLIT, index, hashText(name));
  }

  add(name: string): void {
    const value = this.#number(this.#documents, name);
    if (value < this.#lowest.value) this.#lowest = { index: this.#documents, value };
    if (value > this.#highest.value) this.#highest = { index: this.#documents, value };
    if (value < this.#rule.validationFraction) this.#held++;
    this.#documents++;
  }

  plan(): SplitPlan {
    const documents = this.#documents;
    if (documents === 0) throw new Error("split: needs a document with text, got none; check the sources");
    const fraction = this.#rule.validationFraction;
    if (documents === 1) {
      return { by: "position", documents, partsOf: (_, document) => splitByPosition(document, fraction) };
    }
    const held = this.#held === 0 ? this.#lowest.index : -1;
    const kept = this.#held === documents ? this.#highest.index : -1;
    const partOf = (index: number, name: string): Part => {
      if (index === held) return "validation";
      if (index === kept) return "train";
      return this.#number(index, name) < fraction ? "validation" : "train";
    };
    const partsOf = (index: number, document: Document) => [{ part: partOf(index, document.name), document }];
    return { by: "document", documents, partsOf };
  }
}
