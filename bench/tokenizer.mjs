/**
 * Times vocabulary training and encoding on the State of the Union corpus, and prints one JSON document:
 * `node bench/tokenizer.mjs`. Speeds are UTF-8 megabytes of text over the median time.
 */
import { cpus } from "node:os";
import { readDocuments, trainBpe } from "mixture-of-depths";

const VOCAB_SIZE = 4096;
const RUNS = 5;

const texts = [];
for await (const { text } of readDocuments(["sotu"])) texts.push(text);
const bytes = texts.reduce((total, text) => total + Buffer.byteLength(text), 0);

async function medianMs(work) {
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)];
}

const { tokenizer } = await trainBpe(texts, { vocabSize: VOCAB_SIZE });
const trainMs = await medianMs(() => trainBpe(texts, { vocabSize: VOCAB_SIZE }));
let tokens = 0;
const encodeMs = await medianMs(() => {
  tokens = texts.reduce((total, text) => total + tokenizer.encode(text).length, 0);
});
console.log(
  JSON.stringify(
    {
      machine: `${cpus()[0].model}, ${cpus().length} cores`,
      corpusMegabytes: bytes / 1e6,
      vocabSize: tokenizer.vocabSize,
      trainSeconds: trainMs / 1000,
      encodeMegabytesPerSecond: bytes / 1000 / encodeMs,
      bytesPerToken: bytes / tokens,
    },
    null,
    2,
  ),
);
