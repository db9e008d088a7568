import type { GraphFile } from "./onnxGraphs.ts";

/** What is the same in both files. */
const SHARED = {
  thresholds: "`thresholds` of model.json, for each sequence: a routed layer computes the tokens whose score is larger",
  noise: "standard normal numbers, drawn anew for every token and routed layer",
};

/** What each input and output is; `keys.3` is found under `keys`, the number being that of the layer. */
const MEANINGS: Readonly<Record<GraphFile, Readonly<Record<string, string>>>> = {
  "forward.onnx": {
    ...SHARED,
    tokens: "ids of the prompt, 1 to contextLength of them; a document starts with endOfText",
    logits: "after every token, for the token that follows it",
    routedThrough: "which tokens the layer computed",
    newKeys: "keys of the tokens that the layer computed, in order: the first places of its cache",
    newValues: "values of the tokens that the layer computed, in order: the first places of its cache",
  },
  "step.onnx": {
    ...SHARED,
    tokens: "id of the new token of each sequence",
    positions: "tokens before it in its sequence; less than contextLength",
    lengths: "places taken in the layer's cache, of each sequence",
    keys: "the layer's cache of keys; what stands in places not taken is not used, but must be finite",
    values: "the layer's cache of values; what stands in places not taken is not used, but must be finite",
    logits: "after the new token of each sequence, for the token that follows it",
    routedThrough: "of which sequences the layer computed the new token",
    newKeys: "to append to the cache of keys of the sequences whose token the layer computed, in order",
    newValues: "to append to the cache of values of the sequences whose token the layer computed, in order",
  },
};

export const meaningOf = (file: GraphFile, name: string): string => MEANINGS[file][name.replace(/\.\d+$/, "")]!;
