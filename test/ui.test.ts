/** `mod ui` as its page sees it, and as a hostile one does. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PRESETS } from "../src/config/presets.ts";
import { resolveConfig } from "../src/config/runConfig.ts";
import type { NewRows, RunSummary, ServerInfo, StudyView } from "../src/ui/api.ts";
import { decodeTables } from "../src/ui/tableCodec.ts";
import { mod, modJson, modOk, ROOT, shortTraining, workFolder } from "./support/cli.ts";
import {
  type Asking,
  eventually,
  type RunningUi,
  readEvents,
  type StreamedEvent,
  startUi,
} from "./support/uiServer.ts";

const folder = workFolder();
const cwd = folder.dir;
const file = (...names: string[]) => path.join(cwd, ...names);
let ui: RunningUi;

beforeAll(async () => {
  await modOk(shortTraining(6, "train.evaluate.every=3", "--out", "runs/first"), { cwd });
  writeFileSync(file("secret.txt"), "a secret");
  mkdirSync(file("runs", "linked"));
  for (const name of ["config.json", "tokenizer.json"]) {
    writeFileSync(file("runs", "linked", name), readFileSync(file("runs", "first", name)));
  }
  symlinkSync(file("secret.txt"), file("runs", "linked", "metrics.jsonl"));
  symlinkSync(cwd, file("runs", "outside"));
  ui = await startUi(cwd, "runs", "--port", "0", "--studies", path.join(ROOT, "studies"));
});
afterAll(async () => {
  expect(await ui.stop()).toBe(0);
  folder.remove();
});

const runsOf = async ({ ask }: RunningUi = ui) => (await ask("/api/runs")).json<{ runs: RunSummary[] }>().runs;
const stateOf = async (id: string) => (await runsOf()).find((run) => run.id === id)?.state;

test("says where it is, on loopback, and serves the page isolated, under a strict policy", async () => {
  expect(ui.address).toBe(`http://127.0.0.1:${ui.port}/#token=${ui.token}`);
  const page = await ui.ask("/");
  expect(page.status).toBe(200);
  expect(page.headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "x-content-type-options": "nosniff",
  });
  expect(page.headers["content-security-policy"]).toMatch(
    /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';/,
  );
  expect(page.text).toContain('data-server="local"');
  // Everything that the page loads comes from here.
  for (const [, address] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect(address).toMatch(/^\.\//);
    expect((await ui.ask(address!.slice(1))).status, address).toBe(200);
  }
});

test("lists runs and tells whether the token was brought", async () => {
  const runs = await runsOf();
  expect(runs.map(({ id }) => id)).toEqual(["first", "linked"]);
  expect(runs[0]).toMatchObject({ state: "done", step: 6, steps: 6, model: { family: "mod" } });
  expect((await ui.ask("/api/server")).json<ServerInfo>()).toMatchObject({ isAllowed: false, hasStudies: true });
  const headers = { Authorization: `Bearer ${ui.token}` };
  expect((await ui.ask("/api/server", { headers })).json<ServerInfo>().isAllowed).toBe(true);
});

test("tells of each preset what can be set of it", async () => {
  const { presets } = (await ui.ask("/api/server")).json<ServerInfo>();
  expect(presets.map(({ name }) => name)).toEqual(PRESETS.map(({ name }) => name));
  for (const [i, { name, isRouted, isLearned }] of presets.entries()) {
    const { kind } = resolveConfig(PRESETS[i]!.config).model.routing;
    expect([isRouted, isLearned], name).toEqual([kind !== "none", kind === "learned"]);
  }
});

describe("hostile requests", () => {
  const work = { method: "POST", body: '{"text":"x"}' };
  const json = { "Content-Type": "application/json" };
  const BAD: Readonly<Record<string, readonly [path: string, asking: Asking | (() => Asking), status: number]>> = {
    "a path that leads up": ["/../secret.txt", {}, 404],
    "an encoded path that leads up": ["/%2e%2e/secret.txt", {}, 404],
    "a doubly encoded path": ["/%252e%252e%252fsecret.txt", {}, 404],
    "an absolute path": ["//etc/passwd", {}, 404],
    "a file of a run": ["/runs/first/config.json", {}, 404],
    "a source of the package": ["/../cli/mod.js", {}, 404],
    "a run that leads up": ["/api/runs/..%2Ffirst/metrics", {}, 404],
    "a run that leads up and back": ["/api/runs/first%2F..%2Ffirst/metrics", {}, 404],
    "a run with encoded dots": ["/api/runs/%2e%2e/metrics", {}, 404],
    "an absolute run": ["/api/runs/%2Fetc/metrics", {}, 404],
    "a run behind a link": ["/api/runs/outside%2Fruns%2Ffirst/metrics", {}, 404],
    "a run with a null": ["/api/runs/first%00/metrics", {}, 404],
    "a broken escape": ["/api/runs/%ff/metrics", {}, 400],
    "a study that leads up": ["/api/studies/..%2Fstudies%2Frate", {}, 404],
    "an unknown method": ["/api/runs", { method: "DELETE" }, 405],
    "a page that is written to": ["/", { method: "POST" }, 405],
    "a foreign host": ["/api/runs", { headers: { Host: "evil.example" } }, 403],
    "a foreign host for the page": ["/", { headers: { Host: "evil.example" } }, 403],
    "the host of another port": ["/api/runs", { headers: { Host: "127.0.0.1:1" } }, 403],
    "a foreign origin": ["/api/runs", { headers: { Origin: "https://evil.example" } }, 403],
    "no origin at all": ["/api/runs", { headers: { Origin: "null" } }, 403],
    "a request from another site": ["/api/runs", { headers: { "Sec-Fetch-Site": "cross-site" } }, 403],
    "a request from another port": ["/api/runs", { headers: { "Sec-Fetch-Site": "same-site" } }, 403],
    "work without a token": ["/api/runs/first/inspect", { ...work, headers: json }, 401],
    "work with another token": [
      "/api/runs/first/inspect",
      { ...work, headers: { ...json, Authorization: "Bearer x" } },
      401,
    ],
    "a stop without a token": ["/api/runs/first/stop", { ...work, headers: json }, 401],
    "work as a form sends it": [
      "/api/runs/first/inspect",
      () => ({ ...work, headers: { ...allowed(), "Content-Type": "text/plain" } }),
      415,
    ],
    "a body that is not JSON": [
      "/api/runs/first/inspect",
      () => ({ method: "POST", body: "{", headers: allowed() }),
      400,
    ],
    "a body with unknown fields": [
      "/api/runs/first/inspect",
      () => ({ method: "POST", body: '{"text":"x","dir":"/"}', headers: allowed() }),
      400,
    ],
    "an option as data": [
      "/api/runs",
      () => ({ method: "POST", body: '{"name":"x","preset":"tiny-mod","data":["--set"]}', headers: allowed() }),
      400,
    ],
    "data outside": [
      "/api/runs",
      () => ({ method: "POST", body: '{"name":"x","preset":"tiny-mod","data":["../.."]}', headers: allowed() }),
      400,
    ],
    "a name that leads up": [
      "/api/runs",
      () => ({ method: "POST", body: '{"name":"../x","preset":"tiny-mod"}', headers: allowed() }),
      409,
    ],
    "a run to stop that is none": [
      "/api/runs/none/stop",
      () => ({ method: "POST", body: "{}", headers: allowed() }),
      404,
    ],
    "events of too many runs": [`/api/events?watch=${watched(17)}`, {}, 400],
    "events without sense": ["/api/events?watch=x", {}, 400],
  };
  const allowed = () => ({ "Content-Type": "application/json", Authorization: `Bearer ${ui.token}` });

  for (const [name, [address, asking, status]] of Object.entries(BAD)) {
    test(name, async () => {
      const answer = await ui.ask(address, typeof asking === "function" ? asking() : asking);
      expect(answer.status, answer.text).toBe(status);
      expect(answer.json<{ error: string }>().error).not.toBe("");
      expect(answer.text).not.toContain("a secret");
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    });
  }

  test("a huge body, announced or not", async () => {
    const body = Buffer.alloc(3 << 20, "x");
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${ui.token}` };
    const refused = async (more: Record<string, string>) =>
      ui.ask("/api/runs/first/inspect", { method: "POST", headers: { ...headers, ...more }, body }).then(
        ({ status }) => status,
        // The server may hang up before the last byte is sent.
        ({ code }: NodeJS.ErrnoException) => code,
      );
    const expected = [413, "EPIPE", "ECONNRESET"];
    expect(expected).toContain(await refused({ "Content-Length": String(body.byteLength) }));
    expect(expected).toContain(await refused({ "Transfer-Encoding": "chunked" }));
    expect((await ui.ask("/api/server")).status).toBe(200);
  });

  test("metrics that are a link show nothing", async () => {
    const answer = await fetch(`http://127.0.0.1:${ui.port}/api/runs/linked/metrics`);
    const { tables } = decodeTables(await answer.arrayBuffer());
    expect(tables.steps!.count).toBe(0);
  });

  test("a model whose folder holds a link is not opened", async () => {
    const answer = await ui.post("/api/runs/linked/inspect", { text: "x" });
    expect(answer.status).toBe(400);
    expect(answer.json<{ error: string }>().error).toMatch(/a run must hold no links, got metrics\.jsonl/);
  });
});

const watched = (count: number) =>
  encodeURIComponent(
    JSON.stringify(
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [`r${i}`, { file: "none", steps: 0, evaluations: 0 }]),
      ),
    ),
  );

test("events tell new metrics, and miss none when they are taken up again, from another server too", async () => {
  await modOk(shortTraining(3, "--out", "runs/live"), { cwd });
  const metrics = file("runs", "live", "metrics.jsonl");
  const add = (step: number) =>
    appendFileSync(metrics, `${JSON.stringify({ kind: "step", step, losses: { lm: step } })}\n`);
  const watch = encodeURIComponent(JSON.stringify({ live: { file: "none", steps: 0, evaluations: 0 } }));
  const address = (port: number) => `http://127.0.0.1:${port}/api/events?watch=${watch}`;
  const rowsOf = (events: readonly StreamedEvent[]) =>
    events.flatMap(({ event, data }) => (event === "rows" ? [data as NewRows] : []));
  // An unknown file: what is there is to be read as a whole.
  const first = await readEvents(address(ui.port), (events) => events.some(({ event }) => event === "rows"));
  expect(first.some(({ event }) => event === "runs")).toBe(true);
  expect(rowsOf(first)[0]).toMatchObject({ id: "live", isReset: true, cursor: { steps: 3 } });
  add(4);
  const second = await readEvents(address(ui.port), (events) => rowsOf(events).length > 0, {
    "Last-Event-ID": first.at(-1)!.id,
  });
  expect(rowsOf(second)[0]).toMatchObject({ isReset: false, steps: { columns: { step: [4], "loss.lm": [4] } } });
  add(5);
  const other = await startUi(cwd, "runs", "--port", "0");
  const third = await readEvents(address(other.port), (events) => rowsOf(events).length > 0, {
    "Last-Event-ID": second.at(-1)!.id,
  });
  expect(rowsOf(third)[0]).toMatchObject({ isReset: false, steps: { columns: { step: [5] } } });
  expect(await other.stop()).toBe(0);
});

test("events say that the folder of runs is gone", async () => {
  mkdirSync(file("fleeting"));
  const own = await startUi(cwd, "fleeting", "--port", "0");
  rmSync(file("fleeting"), { recursive: true });
  const events = await readEvents(`http://127.0.0.1:${own.port}/api/events`, (all) => all.length > 0);
  expect(events[0]).toMatchObject({
    event: "problem",
    data: { message: expect.stringMatching(/fleeting must be a folder that can be read, got ENOENT; put it back/) },
  });
  expect(await own.stop()).toBe(0);
});

test("looks into a text as mod inspect does, with weights and logits", async () => {
  const text = "the state of our union";
  const { status, json } = await ui.post("/api/runs/first/inspect", { text, rule: "auxiliary" });
  expect(status).toBe(200);
  const answer = json<{
    tokens: string[];
    layers: { kind: string; routedThrough: boolean[]; routerWeights?: number[] }[];
  }>();
  const expected = await modJson(["inspect", "runs/first", "--text", text, "--rule", "auxiliary", "--threads", "1"], {
    cwd,
  });
  const { tokens, layers } = expected as unknown as typeof answer;
  expect(answer.tokens).toEqual(tokens);
  expect(answer.layers.map(({ routedThrough }) => routedThrough)).toEqual(
    layers.map(({ routedThrough }) => routedThrough),
  );
  for (const { kind, routedThrough, routerWeights } of answer.layers) {
    if (kind !== "dense") expect(routedThrough).toEqual(routerWeights!.map((r) => r > 0));
  }
});

test("says in words what a model cannot do", async () => {
  const answer = await ui.post("/api/runs/first/generate", { prompt: "x", rule: "topk" });
  expect(answer.status).toBe(400);
  expect(answer.text).toContain("rule");
  await modOk(
    [
      "train",
      "--preset",
      "tiny-dense",
      "--data",
      "texts",
      "--out",
      "runs/fresh",
      "--threads",
      "1",
      "--set",
      "train.horizon.steps=1",
      "train.evaluate.tokens=64",
    ],
    { cwd },
  );
  const dense = await ui.post("/api/runs/fresh/inspect", { text: "x", rule: "predictor" });
  expect(dense.json<{ error: string }>().error).toMatch(/must be trained with a predictor to use the rule "predictor"/);
});

test("generates what mod sample does, token by token, and answers others meanwhile", async () => {
  const [prompt, tokens] = ["the state", 12];
  const pending = ui.post("/api/runs/first/generate", { prompt, tokens, temperature: 0 });
  expect((await ui.ask("/api/server")).status).toBe(200);
  const { text, status } = await pending;
  expect(status).toBe(200);
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { text: string; atMs: number; routedLayers: number[] });
  expect(lines).toHaveLength(tokens);
  for (const [i, { atMs }] of lines.entries()) expect(atMs).toBeGreaterThanOrEqual(lines[i - 1]?.atMs ?? 0);
  const sampled = (await modJson(
    ["sample", "runs/first", "--prompt", prompt, "--tokens", String(tokens), "--temperature", "0", "--threads", "1"],
    { cwd },
  )) as unknown as { samples?: { text: string }[]; text?: string };
  expect(JSON.stringify(sampled)).toContain(JSON.stringify(lines.map((line) => line.text).join("")).slice(1, -1));
});

test("a text whose reader leaves ends, and the next is begun", async () => {
  const leave = new AbortController();
  const headers = { Authorization: `Bearer ${ui.token}`, "Content-Type": "application/json" };
  const response = await fetch(`http://127.0.0.1:${ui.port}/api/runs/first/generate`, {
    ...{ method: "POST", headers, signal: leave.signal },
    body: JSON.stringify({ prompt: "x", tokens: 10_000 }),
  });
  await response.body!.getReader().read();
  leave.abort();
  expect(
    (await ui.post("/api/runs/first/generate", { prompt: "x", tokens: 2 })).text.trim().split("\n").length,
  ).toBeGreaterThan(0);
});

test("starts a run, stops it so that it is saved, and resumes it to its end", async () => {
  const started = await ui.post("/api/runs", {
    name: "from-page",
    preset: "tiny-mod",
    steps: 100_000,
    seed: 3,
    capacityRatio: 0.25,
    gate: "sigmoid",
    data: ["texts"],
  });
  expect(started.status, started.text).toBe(202);
  expect((await ui.post("/api/runs", { name: "from-page", preset: "tiny-mod" })).status).toBe(409);
  await eventually(
    () => runsOf(),
    (runs) => runs.some(({ id, step }) => id === "from-page" && (step ?? 0) > 1),
  );
  expect(await stateOf("from-page")).toBe("running");
  expect((await ui.post("/api/runs/from-page/resume", {})).status).toBe(409);
  expect((await ui.post("/api/runs/from-page/stop", {})).status).toBe(202);
  await eventually(
    () => stateOf("from-page"),
    (state) => state === "stopped",
  );
  const config = JSON.parse(readFileSync(file("runs", "from-page", "config.json"), "utf8"));
  expect(config).toMatchObject({ seed: 3, model: { routing: { capacityRatio: 0.25, gate: "sigmoid" } } });
  expect(existsSync(file("runs", "from-page", "checkpoints"))).toBe(true);
  const { step } = (await runsOf()).find(({ id }) => id === "from-page")!;

  writeFileSync(
    file("runs", "from-page", "config.json"),
    JSON.stringify({ ...config, train: { ...config.train, horizon: { kind: "steps", steps: step! + 3 } } }),
  );
  expect((await ui.post("/api/runs/from-page/resume", {})).status).toBe(202);
  await eventually(
    () => stateOf("from-page"),
    (state) => state === "done",
  );
  expect((await ui.post("/api/runs/from-page/stop", {})).json<{ error: string }>().error).toBe(
    "from-page is not being trained",
  );
});

test("a run that cannot start says why", async () => {
  // What the preset does not allow is found by the command that is started.
  await ui.post("/api/runs", { name: "wrong", preset: "tiny-dense", capacityRatio: 0.5, data: ["texts"] });
  const runs = await eventually(
    () => runsOf(),
    (all) => all.some(({ id, state }) => id === "wrong" && state === "damaged"),
  );
  expect(runs.find(({ id }) => id === "wrong")!.problem).toMatch(/configuration: .*not allowed/);
});

test("studies are listed, fitted and told", async () => {
  const { studies } = (await ui.ask("/api/studies")).json<{ studies: { id: string }[] }>();
  expect(studies.map(({ id }) => id)).toEqual(expect.arrayContaining(["isoflop", "rate"]));
  expect((await ui.ask("/api/studies/rate")).json<StudyView>().fits.length).toBe(6);
});

test("Ctrl-C saves the runs that were started from the page, then ends", async () => {
  const own = await startUi(cwd, "runs", "--port", "0");
  await own.post("/api/runs", { name: "saved", preset: "tiny-mod", steps: 100_000, data: ["texts"] });
  await eventually(
    () => runsOf(own),
    (runs) => runs.some(({ id, step }) => id === "saved" && (step ?? 0) > 0),
  );
  expect(await own.stop()).toBe(0);
  expect((await own.cli.result).stderr).toContain("saving the runs that were started here");
  expect(existsSync(file("runs", "saved", "run.lock"))).toBe(false);
  expect((await runsOf()).find(({ id }) => id === "saved")).toMatchObject({ state: "stopped" });
});

test("listens on loopback alone, and says what is wrong with a port or a folder", async () => {
  expect(await mod(["ui", "--host", "0.0.0.0"], { cwd })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("mod: --host: must be one of 127.0.0.1, ::1, localhost"),
  });
  expect((await mod(["ui", "nowhere", "--no-open"], { cwd })).stderr).toBe(
    "mod: ui: nowhere must be a folder with runs, got nothing there; name another\n",
  );
  const holder = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  const { port } = holder.address() as { port: number };
  const taken = await mod(["ui", "runs", "--no-open", "--port", String(port)], { cwd });
  expect(taken.stderr).toBe(
    `mod: ui: port ${port} of 127.0.0.1 must be free, got that it is taken; use another --port\n`,
  );
  holder.close();
});
