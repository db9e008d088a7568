// Text from the files of `mod export`, by ONNX Runtime alone:
//     node examples/decode.mjs DIR [TEMPERATURE [TOKENS [IDS OF THE PROMPT]]]
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";

const [dir, temperature = 0.8, limit = 100, ...prompt] = process.argv.slice(2);
const [model, tokenizer] = ["model", "tokenizer"].map((name) => JSON.parse(readFileSync(`${dir}/${name}.json`)));
const open = (name) => InferenceSession.create(`${dir}/${name}.onnx`);
const [forward, step] = [await open("forward"), await open("step")];
const { thresholds, routedLayers, contextLength, endOfText, config } = model;

const int64 = (number) => new Tensor("int64", [BigInt(number)], [1]);
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
/** What decides in routed layers, for so many tokens. */
function decisions({ inputNames }, rows) {
  const noise = Array.from({ length: rows * thresholds.length }, normal);
  const all = { thresholds: [thresholds, [1, thresholds.length]], noise: [noise, [rows, thresholds.length]] };
  const read = Object.entries(all).filter(([name]) => inputNames.includes(name));
  return Object.fromEntries(read.map(([name, [data, dims]]) => [name, new Tensor("float32", data, dims)]));
}
/** Keys or values [1, heads, places, size] and behind them those of the next token, unless it was routed around. */
function append({ dims: [, heads, places, size], data }, { dims: [rows], data: added }) {
  const all = new Float32Array(heads * (places + rows) * size);
  for (let head = 0; head < heads; head++) {
    all.set(data.subarray(head * places * size, (head + 1) * places * size), head * (places + rows) * size);
    all.set(added.subarray(head * rows * size, (head + 1) * rows * size), (head * (places + rows) + places) * size);
  }
  return new Tensor("float32", all, [1, heads, places + rows, size]);
}
/** Draws from the softmax of logits / temperature (Gumbel's trick); the most likely token at 0. */
function draw(logits) {
  const scores = logits.map((logit) => logit - temperature * Math.log(-Math.log(Math.random())));
  return scores.indexOf(Math.max(...scores));
}
// Bytes that Latin-1 shows stand for themselves in tokens, the others for the characters from 256 on.
const isShown = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
const hidden = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !isShown(byte));
const names = new Map(Object.entries(tokenizer.model.vocab).map(([name, id]) => [id, name]));
const bytesOf = (id) => Uint8Array.from(names.get(id), (c) => hidden[c.charCodeAt(0) - 256] ?? c.charCodeAt(0));

const tokens = prompt.length > 0 ? prompt.map(Number) : [endOfText];
const [started, decoder, first] = [performance.now(), new TextDecoder(), tokens.length];
const end = Math.min(first + Number(limit), contextLength + 1);
let outputs = await forward.run({ tokens: new Tensor("int32", tokens, [1, first]), ...decisions(forward, first) });
const caches = step.inputNames.filter((name) => /^(keys|values)/.test(name));
const added = (name) => outputs[`new${name[0].toUpperCase()}${name.slice(1)}`];
const feeds = Object.fromEntries(caches.map((name) => [name, added(name)]));
for (;;) {
  const id = draw(outputs.logits.data.slice(-config.vocabSize));
  tokens.push(id);
  if (id !== endOfText) process.stdout.write(decoder.decode(bytesOf(id), { stream: true }));
  if (id === endOfText || tokens.length === end) break;
  Object.assign(feeds, { tokens: new Tensor("int32", [id], [1]), positions: int64(tokens.length - 1) });
  for (const layer of routedLayers) feeds[`lengths.${layer}`] = int64(feeds[`keys.${layer}`].dims[2]);
  outputs = await step.run({ ...feeds, ...decisions(step, 1) });
  for (const name of caches) feeds[name] = append(feeds[name], added(name));
}
const perSecond = (1000 * (tokens.length - first)) / (performance.now() - started);
console.error(`\ntokens: ${tokens.slice(first).join(" ")}\n${perSecond.toFixed(1)} tokens/s`);
