import { z } from "zod";
import { RULES } from "../../model/rules.ts";
import type { RoutingMap } from "../../render/routingMap.ts";
import { renderRoutingMap } from "../../render/terminal.ts";
import { writeFileAtomic } from "../../run/atomic.ts";
import { openSavedModel } from "../../run/savedModel.ts";
import { chooseRule } from "../../sample/causalPass.ts";
import { routingOf } from "../../sample/routingOf.ts";
import { defineCommand } from "../command.ts";
import { checkpointOption, jsonOption, makeRuntime, runtimeOptions } from "../sharedOptions.ts";
import { UsageError } from "../usage.ts";

const options = z.strictObject({
  text: z.string().describe("text to look at"),
  rule: z.enum(RULES).optional().describe("which rule decides (default: the model's causal rule)"),
  out: z.array(z.string()).default([]).describe("also draw the map as .svg or .png").meta({ value: "file" }),
  plain: z.boolean().default(false).describe("no colour, ASCII only"),
  ...checkpointOption,
  ...runtimeOptions,
  ...jsonOption,
});

export const inspect = defineCommand({
  name: "inspect",
  summary: "which layers compute which tokens of a text",
  arguments: [{ name: "run", description: "run folder" }],
  options,
  examples: ['mod inspect runs/small --text "My fellow citizens" --out map.svg map.png'],
  async run({ args: [dir], options: given, output }) {
    const bad = given.out.filter((file) => !/\.(svg|png)$/.test(file));
    if (bad.length > 0) throw new UsageError([`--out: files must end in .svg or .png, got ${bad.join(", ")}`]);
    const saved = openSavedModel(dir!, given.checkpoint);
    const rule = chooseRule(saved, given.rule);
    const routing = await routingOf(saved, given.text, rule, await makeRuntime(given));
    const map = { ...routing, title: `rule ${rule}, step ${saved.step}` };
    const { color, width } = output.style;
    output.print(renderRoutingMap(map, { color: color && !given.plain, width, unicode: !given.plain }));
    for (const file of given.out) {
      writeFileAtomic(file, await draw(map, file));
      output.note(`drawn: ${file}`);
    }
    return { rule, step: saved.step, ...routing };
  },
});

async function draw(map: RoutingMap, file: string): Promise<string | Uint8Array> {
  if (file.endsWith(".svg")) return (await import("../../render/svg.ts")).renderRoutingMapSvg(map);
  return (await import("../../render/png.ts")).renderRoutingMapPng(map);
}
