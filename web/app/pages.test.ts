/** What the pages work out, without a browser. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PRESETS } from "../../src/config/presets.ts";
import { resolveConfig } from "../../src/config/runConfig.ts";
import type { RunSummary } from "../../src/ui/api.ts";
import { runOfFiles } from "./chosenFiles.ts";
import { GrowingColumns, noMetrics } from "./data/columns.ts";
import type { Inspection, Training, TrainingEvent } from "./engine.ts";
import { ago, bytes, duration, fixed, percent, short } from "./format.ts";
import { freeName } from "./freeName.ts";
import { blocksOf, histogramOf, measuresOf } from "./pages/microscope/figures.ts";
import { emptyText, ended, shareThrough, tokensPerSecond } from "./pages/playground/stream.ts";
import { arrange } from "./pages/runs/arrange.ts";
import { PANELS, panelSeries } from "./pages/runs/panels.ts";
import { keepableStep, TrainingSession } from "./pages/train/session.ts";
import { trainingRequest } from "./trainingRequest.ts";
import { scaleSteps, shade } from "./ui/palette.ts";
import { layOut } from "./ui/routingMapLayout.ts";
import { visible } from "./ui/tokenText.ts";
import { formatPlace, listOf, listText, parsePlace } from "./url.ts";

const run = (id: string, lossNats: number | null, changedMs: number, family = "mod"): RunSummary => ({
  ...{ id, state: "done", problem: null, step: 1, steps: 1, tokens: 1, flops: 1, lossNats, tokensPerSecond: 1 },
  model: {
    family,
    nLayer: 2,
    dModel: 8,
    seqLen: 8,
    vocabSize: 9,
    layers: [],
    capacityRatio: null,
    gate: null,
    rule: null,
    rules: [],
  },
  validation: lossNats === null ? null : { step: 1, lossNats, bitsPerByte: 1 },
  ...{ accuracy: null, spark: [], changedMs },
});

test("runs are filtered by every word and put in order", () => {
  const runs = [run("run-10", 3, 1), run("run-9", 2, 3), run("dense", null, 2, "dense")];
  const ids = (filter: string, order: Parameters<typeof arrange>[2]) =>
    arrange(runs, filter, order).map(({ id }) => id);
  expect(ids("", "changed")).toEqual(["run-9", "dense", "run-10"]);
  expect(ids("", "name")).toEqual(["dense", "run-9", "run-10"]);
  expect(ids("", "loss")).toEqual(["run-9", "run-10", "dense"]);
  expect(ids("RUN mod", "name")).toEqual(["run-9", "run-10"]);
  expect(ids("run dense", "name")).toEqual([]);
});

test("columns grow, and a column that comes late has gaps before", () => {
  const columns = new GrowingColumns(2, { step: [1, 2] });
  columns.append({ count: 1, columns: { step: [3], late: [7] } });
  columns.append({ count: 2, columns: { step: [4, 5], late: [null, 8] } });
  expect(Array.from(columns.column("step")!)).toEqual([1, 2, 3, 4, 5]);
  expect(Array.from(columns.column("late")!)).toEqual([Number.NaN, Number.NaN, 7, Number.NaN, 8]);
});

test("one run has all its curves, several have one each", () => {
  const metrics = noMetrics();
  metrics.steps.append({ count: 2, columns: { step: [1, 2], "loss.lm": [5, 4] } });
  metrics.evaluations.append({ count: 1, columns: { step: [2], "predictor.lossNats": [4], "topk.lossNats": [3.9] } });
  const drawn = (place: number) => ({ id: `run-${place}`, place, metrics, version: 0, rule: "predictor" });
  const options = { x: "step", look: "light", factor: 0 } as const;
  const names = (count: number) =>
    PANELS.slice(0, 2).map((panel) =>
      panelSeries(
        panel,
        Array.from({ length: count }, (_, i) => drawn(i)),
        options,
      ).map(({ name }) => name),
    );
  expect(names(1)).toEqual([
    ["training", "validation"],
    ["predictor", "topk"],
  ]);
  expect(names(2)).toEqual([
    ["run-0", "run-1"],
    ["run-0", "run-1"],
  ]);
  const smoothed = panelSeries(PANELS[0]!, [drawn(0)], { ...options, factor: 0.9 });
  expect(smoothed.map(({ name, isFaint = false }) => [name, isFaint])).toEqual([
    ["training", true],
    ["training", false],
    ["validation", false],
  ]);
});

const inspection: Inspection = {
  ...{
    rule: "predictor",
    tokens: ["<|endoftext|>", " a", "b\n"],
    lossNats: [null, 1, 3],
    entropyNats: [null, 2, 2],
    windows: [0],
  },
  layers: [
    { index: 0, kind: "dense", routedThrough: [true, true, true] },
    { index: 1, kind: "mod", routedThrough: [false, true, false], routerWeights: [-1, 2, -3] },
  ],
};

test("tokens are measured by compute, loss and entropy", () => {
  expect(inspection.tokens.map((_, i) => blocksOf(inspection, i))).toEqual([1, 2, 1]);
  const { compute, loss, entropy } = measuresOf(inspection);
  expect([0, 1, 2].map(compute.shareOf)).toEqual([0, 1, 0]);
  expect([0, 1, 2].map(loss.shareOf)).toEqual([null, 1 / 3, 1]);
  expect(loss.textOf(0)).toBe("not foretold");
  expect(entropy.shareOf(1)).toBe(1);
});

test("a block whose experts left a token out did not compute it in full", () => {
  const experts = { index: 2, kind: "moe", routedThrough: [true, true, true], experts: [[3], [], [0, 1]] };
  const whole = { ...inspection, layers: [...inspection.layers, experts] };
  expect(whole.tokens.map((_, i) => blocksOf(whole, i))).toEqual([2, 2, 2]);
  expect(measuresOf(whole).compute.name).toContain("experts included");
});

test("a histogram counts every value once", () => {
  const { low, high, counts } = histogramOf([0, 1, 2, 10, 10], 5);
  expect([low, high]).toEqual([0, 10]);
  expect(counts).toEqual([2, 1, 0, 0, 2]);
  expect(histogramOf([3, 3], 3).counts).toEqual([0, 2, 0]);
  expect(histogramOf([], 3).counts).toEqual([0, 0, 0]);
});

test("a routing map's lines hold all tokens, in order, within their width", () => {
  const tokens = Array.from({ length: 57 }, (_, i) => "x".repeat(1 + (i % 9)));
  const metrics = { cell: 10, gap: 2, text: 20, margin: 30, padding: 8, least: 14 };
  const lines = layOut(tokens, (text) => 7 * text.length, 200, metrics);
  expect(lines.flatMap(({ places }) => places.map(({ text }) => text))).toEqual(tokens);
  for (const [i, { first, places }] of lines.entries()) {
    expect(first).toBe(lines.slice(0, i).reduce((sum, line) => sum + line.places.length, 0));
    expect(places[0]!.left).toBe(30);
    expect(places.at(-1)!.left + places.at(-1)!.width).toBeLessThanOrEqual(200);
  }
  expect(layOut(["much too long"], () => 900, 100, metrics)[0]!.places[0]!.width).toBe(70);
});

test("what a text would hide is shown", () => {
  expect(["<|endoftext|>", " a", "  ", "a b", "\n\t", ""].map(visible)).toEqual([
    "⟨start⟩",
    "·a",
    "··",
    "a b",
    "↵⇥",
    "∅",
  ]);
});

test("speed counts from the first token on; the share counts routed blocks", () => {
  const token = (atMs: number, routedLayers: number[]) => ({ text: "", logProbability: 0, atMs, routedLayers });
  const tokens = [token(500, [1]), token(510, []), token(520, [1, 3])];
  expect(tokensPerSecond(tokens)).toBeCloseTo(100, 9);
  expect(tokensPerSecond(tokens.slice(0, 1))).toBeNull();
  const model = { summary: { layers: ["dense", "mod", "dense", "mod"] } } as never;
  const text = { ...emptyText({ title: "", prompt: "", twin: null }, model), tokens };
  expect(shareThrough(text)).toBe(0.5);
  expect(shareThrough({ ...text, layers: ["dense"] })).toBeNull();
});

test("texts that are not begun when a generation ends are done; those that came keep what came", () => {
  const text = emptyText({ title: "", prompt: "kings", twin: null }, { summary: { layers: [] } } as never);
  const came = { ...text, tokens: [], state: "done" } as const;
  expect(ended([came, text])).toEqual([came, { ...text, state: "done" }]);
});

/** What the browser's tab is to a session. */
const tab = new EventTarget();
beforeAll(() => void vi.stubGlobal("window", tab));
afterAll(() => void vi.unstubAllGlobals());

/** A session, and what tells it of its training. */
function openSession(): [session: TrainingSession, tell: (event: TrainingEvent) => void] {
  let tell: (event: TrainingEvent) => void = () => {};
  const session = new TrainingSession((given) => {
    tell = given;
    return { close: () => {} } as Training;
  });
  return [session, (event) => tell(event)];
}

test("a training's events become its columns and its state", () => {
  const [session, tell] = openSession();
  tell({ kind: "preparing", tokens: 12, tokensWanted: 255 });
  tell({ kind: "model", summary: run("x", 1, 1).model!, parameters: 7, textTokens: 9, notes: [] });
  tell({ kind: "start", step: 0, steps: 2, skipped: [] });
  expect(session.view.value).toMatchObject({ phase: "running", steps: 2, model: { parameters: 7 } });
  expect(session.view.value.words).toContain("12 of 255");
  const experts = [
    { noOps: 0.25, dropped: 0 },
    { noOps: 0.75, dropped: 0.5 },
  ];
  tell({ kind: "step", step: 1, losses: { lm: 5 }, stepMs: 500, tokens: 16, experts } as never);
  const rules = { topk: { lossNats: 4, bitsPerByte: 2, capacityByLayer: [1] } };
  tell({ kind: "evaluation", step: 1, result: { rules } as never });
  tell({ kind: "paused", step: 1 });
  expect(session.view.value).toMatchObject({ phase: "paused", step: 1, steps: 2, version: 2 });
  const { steps, evaluations } = session.metrics;
  expect(Array.from(steps.column("loss.lm")!)).toEqual([5]);
  expect(Array.from(steps.column("experts.noOps")!)).toEqual([0.5]);
  expect(Array.from(evaluations.column("seconds")!)).toEqual([0.5]);
  expect(Array.from(evaluations.column("tokens")!)).toEqual([16]);
  tell({ kind: "resumed", step: 1 });
  expect(session.view.value.phase).toBe("running");
  tell({ kind: "failed", step: 1, error: { code: "memory", message: "out of memory" } });
  expect(session.view.value).toMatchObject({ phase: "failed", failure: { message: "out of memory" } });
});

/** Whether the tab would ask before it is closed. */
const asksBeforeLeaving = () => {
  const event = new Event("beforeunload", { cancelable: true });
  tab.dispatchEvent(event);
  return event.defaultPrevented;
};

test("the tab asks before it is closed, until what was trained is kept, whatever page it shows", () => {
  const [session, tell] = openSession();
  const asked = [asksBeforeLeaving()];
  const after = (event: TrainingEvent) => {
    tell(event);
    asked.push(asksBeforeLeaving());
  };
  after({ kind: "start", step: 4, steps: 9, skipped: [] });
  tell({ kind: "step", step: 5, losses: { lm: 5 } } as never);
  tell({ kind: "checkpoint", step: 5, dir: "" });
  after({ kind: "stopped", step: 6 } as never);
  session.kept(5);
  asked.push(asksBeforeLeaving());
  session.kept(6);
  asked.push(asksBeforeLeaving());
  expect(asked).toEqual([true, true, true, true, false]);
  session.leave();
});

test("of a training that failed, its last checkpoint can be lost", () => {
  const [session, tell] = openSession();
  tell({ kind: "start", step: 0, steps: 9, skipped: [] });
  tell({ kind: "step", step: 3, losses: { lm: 5 } } as never);
  const failed = { kind: "failed", step: 3, error: { code: "memory", message: "out of memory" } } as const;
  tell(failed);
  expect([keepableStep(session.view.value), asksBeforeLeaving()]).toEqual([0, false]);
  tell({ kind: "checkpoint", step: 2, dir: "" });
  tell(failed);
  expect([keepableStep(session.view.value), asksBeforeLeaving()]).toEqual([2, true]);
  session.leave();
  expect(asksBeforeLeaving()).toBe(false);
});

test("what is asked for becomes a configuration that the schema takes, for every preset of the page", () => {
  const text = { kind: "corpus", name: "sotu-recent" } as const;
  for (const { name, config } of PRESETS) {
    const routing = config.model.routing?.kind;
    const { run, watch } = trainingRequest({
      watched: "kings",
      run: {
        ...{ kind: "new", text, preset: name, steps: 20, seed: 3 },
        ...(routing !== undefined && routing !== "none" && { capacityRatio: 0.5 }),
        ...(routing === "learned" && { gate: "tanh" }),
      },
    });
    if (run.kind !== "new") throw new Error("it must be new");
    const { model, train, seed } = resolveConfig(run.config);
    expect(seed).toBe(3);
    expect(train).toMatchObject({ horizon: { kind: "steps", steps: 20 }, evaluate: { every: 2 } });
    if (model.routing.kind !== "none") expect(model.routing.capacityRatio, name).toBe(0.5);
    if (model.routing.kind === "learned") expect(model.routing.gate, name).toBe("tanh");
    expect(watch).toMatchObject({ text: "kings" });
  }
});

test("a run that comes in gets a name that is free and that a command line takes", () => {
  expect(freeName("my run (2).zip", [])).toBe("my-run-2");
  expect(freeName("a.zip", ["a", "a-2"])).toBe("a-3");
  expect(freeName("../.zip", [])).toBe("run");
});

test("chosen files are a .zip, or a folder whose name is no part of their paths", async () => {
  const file = (name: string, webkitRelativePath = "") =>
    Object.assign(new File(["x"], name), { webkitRelativePath }) as File;
  const zip = file("first.zip");
  expect(await runOfFiles([zip])).toEqual({ name: "first", from: { kind: "archive", archive: zip } });
  const folder = [file("config.json", "mine/config.json"), file("a.json", "mine/checkpoints/a.json")];
  const { name, from } = await runOfFiles(folder);
  expect(name).toBe("mine");
  expect(from.kind === "files" && [...from.files.keys()]).toEqual(["config.json", "checkpoints/a.json"]);
  await expect(runOfFiles([])).rejects.toThrow("choose a .zip");
});

test("lists in the address hold any names", () => {
  for (const names of [[], ["a"], ["a/b", "c"], ["lr=1e-3,wd=0.1", "50%", "%2C", "a%25"]]) {
    const place = { page: "runs", params: { select: listText(names) } } as const;
    expect(listOf(parsePlace(formatPlace(place), "home").params.select ?? "")).toEqual(names);
  }
  expect(formatPlace({ page: "runs", params: { select: listText(["a", "b/c"]) } })).toBe("#/runs?select=a,b/c");
});

test("numbers and times as people read them", () => {
  expect([short(null), short(Number.NaN), short(12_345), fixed(-0.5, 2), percent(0.1234)]).toEqual([
    "–",
    "–",
    "12.3k",
    "−0.50",
    "12.3 %",
  ]);
  expect([duration(9), duration(200), duration(7500)]).toEqual(["9 s", "3 min 20 s", "2 h 5 min"]);
  expect([ago(0, 30_000), ago(0, 3 * 60_000), ago(0, 7_200_000), ago(0, 3e8)]).toEqual([
    "just now",
    "3 min ago",
    "2 h ago",
    "3 d ago",
  ]);
  expect([bytes(7), bytes(1500), bytes(2.5e6)]).toEqual(["7 B", "1.5 kB", "2.5 MB"]);
});

test("ink can be read on every shade, light and dark: a contrast of 4.5 at least", () => {
  const luminance = (color: string) => {
    const channels = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255);
    const [r, g, b] = channels.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [
      number,
      number,
      number,
    ];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const look of ["light", "dark"] as const) {
    const last = scaleSteps(look).length - 1;
    for (const [i, background] of scaleSteps(look).entries()) {
      const shown = shade(i / last, look);
      expect(shown.background).toBe(background);
      const [paler, darker] = [luminance(shown.ink), luminance(background)].sort((a, b) => b - a) as [number, number];
      expect((paler + 0.05) / (darker + 0.05), `${look} ${background}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});
