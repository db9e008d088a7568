import { mkdirSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../files/atomic.ts";
import { evaluationRule, RULES } from "../../model/rules.ts";
import type { RoutingMap } from "../../render/routingMap.ts";
import { renderRoutingMap } from "../../render/terminal.ts";
import { chooseRule } from "../../sample/chooseRule.ts";
import { routingOf } from "../../sample/routingOf.ts";
import { defineCommand } from "../command.ts";
import { expertTable } from "../expertTable.ts";
import { openModel } from "../openModel.ts";
import { checkpointOption, jsonOption, makeRuntime, runtimeOptions } from "../sharedOptions.ts";

const options = z.strictObject({
  text: z.string().describe("text to look at"),
  rule: z.enum(RULES).optional().describe("which rule decides (default: the model's causal rule)"),
  out: z
    .array(z.string().regex(/\.(svg|png)$/, "must end in .svg or .png"))
    .default([])
    .describe("also draw the map as .svg or .png")
    .meta({ value: "file" }),
  plain: z.boolean().default(false).describe("no colour, ASCII only"),
  ...checkpointOption,
  ...runtimeOptions,
  ...jsonOption,
});

export const inspect = defineCommand({
  description:
    "Draws which layers compute which tokens of a text: layers as rows, tokens as columns, and in layers of experts their numbers. A text longer than the model's context is read in stretches that each start with the end-of-text token.",
  arguments: [{ name: "run", description: "run folder" }],
  options,
  examples: ['mod inspect runs/small --text "My fellow citizens" --out map.svg map.png'],
  async run({ args: [dir], options: given, output }) {
    const saved = openModel(dir!, given.checkpoint, output);
    const rule = chooseRule(saved, given.rule);
    const routing = await routingOf(saved, given.text, rule, await makeRuntime(given));
    const title = `rule ${evaluationRule(saved.model, rule)}, step ${saved.step}`;
    const map = { ...routing, title };
    const { color, width } = output.style;
    output.print(renderRoutingMap(map, { color: color && !given.plain, width, unicode: !given.plain }));
    if (routing.expertUse !== undefined) output.print(`\n${expertTable(routing.expertUse, saved.model)}`);
    for (const file of given.out) {
      mkdirSync(path.dirname(file), { recursive: true });
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
