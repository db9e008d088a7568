import type { ModelDescription, ValueDescription } from "./modelDescription.ts";

/** The README beside exported files: what they are, and how to run them. */
export const readmeOf = (description: ModelDescription): string =>
  [heading(description), tables(description), DECODING, pythonExample(description)].join("\n");

function heading({ packageVersion, target, rule, step, quantization, bitsPerByte }: ModelDescription): string {
  const operators = target === "standard" ? "ONNX's own operators alone" : "operators of ONNX Runtime's own";
  const loss =
    bitsPerByte.before === null || bitsPerByte.after === null
      ? "not measured"
      : `${bitsPerByte.before.toFixed(4)} bits per byte before, ${bitsPerByte.after.toFixed(4)} after`;
  return `# A Mixture-of-Depths language model in ONNX

Written by mixture-of-depths ${packageVersion} (\`mod export\`) from step ${step} of a training run, for decoding under the rule \`${rule}\`. The files
use opset 17 and ${operators}. All parameters are constants in them${
    quantization === null ? "" : `, quantised to ${quantization.bits} bits (validation loss: ${loss})`
  }.

- \`forward.onnx\`: a whole prompt in one pass, with logits after every token and what to start the caches with
- \`step.onnx\`: one more token for each sequence of a batch, each with its own caches
- \`tokenizer.json\`: Hugging Face format, byte-level BPE
- \`model.json\`: configuration, thresholds, the end-of-text token, sizes, and all that is below for programs
`;
}

/** A table of values, in which the layers that have one of the same kind share a row. */
function table(values: readonly ValueDescription[]): string {
  const layersOf = new Map<string, string[]>();
  for (const { name, type, shape, meaning } of values) {
    const [base, layer] = name.split(".");
    const shown = `[${shape.join(", ")}]`.replace(/\.\d+/g, ".L");
    const row = `| \`${layer === undefined ? base : `${base}.L`}\` | ${type} | \`${shown}\` | ${meaning} |`;
    layersOf.set(row, [...(layersOf.get(row) ?? []), ...(layer === undefined ? [] : [layer])]);
  }
  const rows = [...layersOf].map(([row, layers]) => `${row} ${layers.join(", ")} |`);
  return ["| name | type | shape | meaning | L |", "| --- | --- | --- | --- | --- |", ...rows, ""].join("\n");
}

const tables = ({ files }: ModelDescription): string =>
  Object.entries(files)
    .map(([name, { inputs, outputs }]) =>
      [`## ${name}\n`, `Inputs:\n\n${table(inputs)}`, `Outputs:\n\n${table(outputs)}`].join("\n"),
    )
    .join("\n");

const DECODING = `## The loop

1. Run \`forward.onnx\` on the prompt. Layer L's caches begin with \`newKeys.L\` and \`newValues.L\`; its length is how many tokens those hold: all in a
   dense layer, those routed through in a routed one.
2. Choose a token from the logits after the last one. Stop at the end-of-text token, or when the context is full.
3. Run \`step.onnx\` on it. Its position is the number of tokens before it; a routed layer's cache has a length of its own, \`lengths.L\`.
4. Append. In a dense layer, row i of \`newKeys.L\` and \`newValues.L\` goes to sequence i. In a routed layer there is a row only for the sequences with
   \`routedThrough.L\`, in their order; the others' caches stay as they are. Go on with 2.

Caches may have more places than are taken; all dense layers have as many. A program that means to be fast allots places in advance and writes new keys
and values into them; with one sequence, joining arrays does as well.

The rule is part of the files: a routed layer computes a token where its score is larger than the layer's threshold. With higher thresholds than
those of \`model.json\` it computes less, and with infinity nothing: that is how a program can hold a sequence to a budget.
`;

function pythonExample({ files }: ModelDescription): string {
  const readsNoise = files["step.onnx"].inputs.some(({ name }) => name === "noise");
  const noise = readsNoise
    ? `
    routing["noise"] = np.random.standard_normal((rows, len(model["thresholds"]))).astype(np.float32)`
    : "";
  return `## In Python

One sequence, greedily, in this folder (\`pip install onnxruntime numpy\`):

\`\`\`python
import json
import numpy as np
import onnxruntime as ort

model = json.load(open("model.json"))
forward, step = ort.InferenceSession("forward.onnx"), ort.InferenceSession("step.onnx")
names = lambda session: [output.name for output in session.get_outputs()]

def decisions(rows):
    routing = {"thresholds": np.array([model["thresholds"]], np.float32)} if model["routedLayers"] else {}${noise}
    return routing

tokens = [model["endOfText"]]
out = forward.run(None, {"tokens": np.array([tokens], np.int32), **decisions(len(tokens))})
out = dict(zip(names(forward), out))
logits = out["logits"][0, -1]
caches = {}
for cache in model["caches"]:
    for kind, new in ("keys", "newKeys"), ("values", "newValues"):
        caches[f"{kind}.{cache['layer']}"] = out[f"{new}.{cache['layer']}"]

while len(tokens) < min(50, model["contextLength"]):
    token = int(logits.argmax())
    if token == model["endOfText"]:
        break
    feeds = {"tokens": np.array([token], np.int32), "positions": np.array([len(tokens)], np.int64)}
    feeds |= caches | decisions(1)
    for layer in model["routedLayers"]:
        feeds[f"lengths.{layer}"] = np.array([caches[f"keys.{layer}"].shape[2]], np.int64)
    out = dict(zip(names(step), step.run(None, feeds)))
    for name, cache in caches.items():
        new = out["new" + name[0].upper() + name[1:]]
        if len(new) > 0:  # none where the layer was routed around
            caches[name] = np.concatenate([cache, new], axis=2)
    tokens.append(token)
    logits = out["logits"][0]

print(tokens)
\`\`\`
`;
}
