import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { type GraphDefinition, type OnnxTarget, toOnnx } from "../src/graph/index.ts";
import { causalGraph } from "../src/model/causalGraph.ts";
import type { ModelConfig } from "../src/model/config.ts";
import { applicableRules, graphRule } from "../src/model/rules.ts";
import { tinyDense, tinyMod, tinyRandom } from "../src/model/testing/tinyModel.ts";
import { gradientGraph } from "../src/train/graphs.ts";
import { pythonWith, runPython } from "./support/python.ts";

const folder = mkdtempSync(path.join(tmpdir(), "mod-onnx-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Debian: apt-get install python3-onnx. */
const python = pythonWith("onnx");

const CHECK = `
import sys, onnx
for file in sys.argv[1:]:
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    print(len(model.graph.node), model.producer_name)
`;

const MODELS: Readonly<Record<string, ModelConfig>> = {
  dense: tinyDense(),
  "dense, swiglu, grouped keys": tinyDense({ mlp: "swiglu", nHead: 4, nKvHead: 2 }),
  mod: tinyMod(),
  random: tinyRandom("linear"),
};

/** The gradients of a training step, and the causal pass under every rule that applies. */
function graphsOf(model: ModelConfig): GraphDefinition[] {
  const rules = applicableRules(model).map(graphRule);
  return [
    gradientGraph(model, 2),
    ...rules.map((rule) => causalGraph(model, rule, "logits")),
    causalGraph(model, rules[0]!, "nll"),
  ];
}

/** Writes the graphs for a target; returns the files. */
function writeGraphs(name: string, target: OnnxTarget): string[] {
  return graphsOf(MODELS[name]!).map((graph) => {
    const file = path.join(folder, `${name} ${graph.name} ${target}.onnx`.replaceAll(/[ ,]+/g, "-"));
    writeFileSync(file, toOnnx(graph, { target }));
    return file;
  });
}

describe.skipIf(python === undefined)(
  "onnx.checker accepts the files for any ONNX tool (needs Python with onnx)",
  () => {
    // Files for ONNX Runtime have operators that the checker does not know.
    test.each(Object.keys(MODELS))("%s", (name) => {
      const files = writeGraphs(name, "standard");
      const lines = runPython(python!, CHECK, files, folder).trim().split("\n");
      expect(lines).toHaveLength(files.length);
      for (const line of lines) expect(line).toMatch(/^\d+ mixture-of-depths$/);
    });
  },
);

describe("ONNX Runtime loads the files for either target", () => {
  for (const target of ["standard", "onnxruntime"] as const) {
    test.each(Object.keys(MODELS))(`${target}: %s`, async (name) => {
      const graphs = graphsOf(MODELS[name]!);
      for (const [i, file] of writeGraphs(name, target).entries()) {
        const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
        expect(session.inputNames).toEqual(Object.keys(graphs[i]!.inputs));
        expect(session.outputNames).toEqual(Object.keys(graphs[i]!.outputs));
        await session.release();
      }
    });
  }
});
