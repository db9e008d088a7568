import { z } from "zod";
import { PRESETS } from "../../config/presets.ts";
import { modelOf, resolveConfig } from "../../config/runConfig.ts";
import { forwardFlops, totalFlops } from "../../flops/flops.ts";
import { countParameters } from "../../model/parameters.ts";
import { defineCommand } from "../command.ts";
import { compact, table } from "../format.ts";
import { jsonOption } from "../sharedOptions.ts";

export const presets = defineCommand({
  description:
    "Lists the presets that --preset names. A size alone names its Mixture-of-Depths variant: small is small-mod.",
  options: z.strictObject(jsonOption),
  async run({ output }) {
    const rows = PRESETS.map(({ name, summary, config }) => {
      const resolved = resolveConfig(config);
      const { tokenizer } = resolved.data;
      const model = modelOf(resolved, "vocabSize" in tokenizer ? tokenizer.vocabSize : 257);
      return {
        name,
        summary,
        parameters: countParameters(model),
        forwardFlopsPerToken: totalFlops(forwardFlops(model)) / model.seqLen,
        horizon: resolved.train.horizon,
      };
    });
    output.print(
      table(
        ["preset", "parameters", "forward FLOPs a token", "horizon", "what"],
        rows.map((row) => [
          row.name,
          compact(row.parameters),
          compact(row.forwardFlopsPerToken),
          Object.values(row.horizon)
            .map((value) => (typeof value === "number" ? compact(value) : value))
            .join(" "),
          row.summary,
        ]),
      ),
    );
    return rows;
  },
});
