/** The worker that measures this package's sampling: a step is one more token of one text, as the page's playground has it. */
import { initialParameters, modelSchema, webRuntime } from "../../src/browser.ts";
import { fedParameters } from "../../src/run/savedModel.ts";
import { Decoder } from "../../src/sample/decoder.ts";
import { answerWith, SEED } from "./protocol.ts";

answerWith(async ({ model: given, threads, assets }) => {
  const model = modelSchema.parse(given);
  const runtime = await webRuntime({ threads, assets });
  const parameters = fedParameters(model, initialParameters(model, SEED), "decode");
  // Without training the router decides by chance, so that routed blocks compute their share.
  const rule = model.routing.kind === "none" ? "through" : "random";
  const decoder = await Decoder.create(model, parameters, { rule, runtime });
  const noise = { seed: SEED, sequence: 0 };
  const begin = () => decoder.add(Int32Array.of(model.vocabSize - 1), noise);
  let { logits } = await begin();
  const step = async () => {
    if (decoder.lengths(0).tokens === model.seqLen) {
      decoder.remove(0);
      ({ logits } = await begin());
    }
    const likely = logits.reduce((best, value, id) => (value > logits[best]! ? id : best), 0);
    ({ logits } = await decoder.step(Int32Array.of(likely)));
    return 0;
  };
  return { version: "0.1.0", threads: runtime.threads, step };
});
