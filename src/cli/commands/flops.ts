import { z } from "zod";
import { modelOf } from "../../config/runConfig.ts";
import { activeParameters } from "../../flops/activeParameters.ts";
import { type FlopComponent, forwardFlops, totalFlops, trainingFlops } from "../../flops/flops.ts";
import { denseTwin } from "../../model/config.ts";
import { countParameters } from "../../model/parameters.ts";
import { defineCommand } from "../command.ts";
import { compact, percent, table } from "../format.ts";
import { presetOptions, presetWithOverrides } from "../runConfigOptions.ts";
import { jsonOption } from "../sharedOptions.ts";

const BYTES_VOCABULARY = 257;

export const flops = defineCommand({
  description:
    "FLOPs of the matrix products for one training sequence, one multiply-add = 2, by component and against the dense twin.",
  options: z.strictObject({ ...presetOptions, ...jsonOption }),
  examples: ["mod flops --preset base", "mod flops --preset base --set model.routing.capacityRatio=0.25 --json"],
  async run({ options: { preset, set }, output }) {
    const config = presetWithOverrides(preset, set);
    const { tokenizer } = config.data;
    const stated = config.model.vocabSize ?? ("vocabSize" in tokenizer ? tokenizer.vocabSize : BYTES_VOCABULARY);
    const model = modelOf(config, stated);
    const [forward, training] = [forwardFlops(model), trainingFlops(model)];
    const [twin, twinTraining] = [forwardFlops(denseTwin(model)), trainingFlops(denseTwin(model))];
    const document = {
      parameters: countParameters(model),
      activeParameters: activeParameters(model),
      seqLen: model.seqLen,
      forward: { ...forward, total: totalFlops(forward) },
      training: { ...training, total: totalFlops(training) },
      forwardFlopsPerToken: totalFlops(forward) / model.seqLen,
      trainingFlopsPerToken: totalFlops(training) / model.seqLen,
      denseTwin: {
        forward: { ...twin, total: totalFlops(twin) },
        training: { ...twinTraining, total: totalFlops(twinTraining) },
      },
      ratioToDense: {
        forward: totalFlops(forward) / totalFlops(twin),
        training: totalFlops(training) / totalFlops(twinTraining),
      },
    };
    const components = [...(Object.keys(forward) as FlopComponent[]), "total"] as const;
    const active = `${compact(document.activeParameters)} of them used by a token`;
    output.print(
      `${compact(document.parameters)} parameters, ${active}; FLOPs for one sequence of ${model.seqLen} tokens`,
    );
    output.print(
      table(
        ["component", "forward", "share", "training", "forward, dense twin"],
        components.map((name) => [
          name,
          compact(document.forward[name]),
          percent(document.forward[name] / document.forward.total),
          compact(document.training[name]),
          compact(document.denseTwin.forward[name]),
        ]),
      ),
    );
    output.print(`forward: ${percent(document.ratioToDense.forward)} of the dense twin's`);
    return document;
  },
});
