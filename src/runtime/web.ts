import type * as Ort from "onnxruntime-web/webgpu";
import { type GraphDefinition, toOnnx } from "../graph/index.ts";
import type {
  AnyTensor,
  DeviceExecutor,
  DeviceTensor,
  Elements,
  Executor,
  HostTensor,
  HostTensors,
  Provider,
  Runtime,
  WorkerHandle,
  WorkerModule,
} from "./executor.ts";
import { webGpuProblem } from "./webGpu.ts";
import { startWebWorker, type WebWorker } from "./webWorker.ts";

export interface WebRuntimeOptions {
  readonly provider?: Provider;
  /** Threads of the CPU provider, which is WebAssembly here; as many as the page may have, if not given. */
  readonly threads?: number;
  /** Where ONNX Runtime's `.wasm` and `.mjs` files lie, with a slash at the end: a part of the site, no other one. */
  readonly assets: string;
  /** Starts the script of a module, which calls `serveInWorker`. Without it there are no threads of our own. */
  readonly startScript?: (module: WorkerModule) => WebWorker;
}

export interface WebRuntime extends Runtime {
  /** What could not be as it was asked for, in words for people. */
  readonly notes: readonly string[];
}

/** What browsers have, and Node's types lack. */
declare const crossOriginIsolated: boolean | undefined;
declare const navigator: {
  readonly hardwareConcurrency?: number;
};

/** ONNX Runtime as this thread loaded it: once, with one number of threads. */
interface Loaded {
  readonly ort: typeof Ort;
  readonly threads: number;
}

const loaded = new Map<Provider, Promise<Loaded>>();

/**
 * The runtime of browsers, in a page or a worker: ONNX Runtime's WebAssembly, or WebGPU. It is loaded with the first graph.
 *
 * Threads need shared memory, which pages have only where they are cross-origin isolated: elsewhere there is one, and `notes`
 * says so.
 *
 * @throws where WebGPU is asked for and there is none
 */
export async function webRuntime(options: WebRuntimeOptions): Promise<WebRuntime> {
  const { provider = "cpu", assets, startScript } = options;
  const problem = provider === "webgpu" ? await webGpuProblem() : null;
  if (problem !== null) {
    throw new Error(
      `runtime: WebGPU must be there, got ${problem}; use "cpu", which is WebAssembly here, or a browser with WebGPU`,
    );
  }
  const { threads, notes } = provider === "cpu" ? allowedThreads(options.threads) : { threads: 1, notes: [] };
  const compileKeeping = async (definition: GraphDefinition, kept: readonly string[]) => {
    const { ort } = await load(provider, threads, assets);
    const session = await inTurn(() => createSession(ort, definition, provider, kept));
    return new WebSession(ort, session, definition, kept);
  };
  const compile = async (definition: GraphDefinition) => new WebExecutor(await compileKeeping(definition, []));
  if (provider === "webgpu") {
    const compileOnDevice = (definition: GraphDefinition, isKept: (output: string) => boolean) =>
      compileKeeping(definition, Object.keys(definition.outputs).filter(isKept));
    return { provider, threads, notes, compile, compileOnDevice };
  }
  if (threads === 1 || startScript === undefined) return { provider, threads, notes, compile };
  const startWorker = (module: WorkerModule, data: unknown): Promise<WorkerHandle> =>
    startWebWorker(startScript(module), { assets, data });
  return { provider, threads, notes, compile, startWorker };
}

let last: Promise<unknown> = Promise.resolve();

/** ONNX Runtime makes and runs one session at a time on WebGPU, and refuses a second. */
function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const turn = last.then(work, work);
  last = turn;
  return turn;
}

function allowedThreads(asked: number | undefined): Pick<WebRuntime, "threads" | "notes"> {
  const isIsolated = typeof crossOriginIsolated === "boolean" && crossOriginIsolated;
  if (isIsolated) return { threads: asked ?? navigator.hardwareConcurrency ?? 1, notes: [] };
  const note =
    `runtime: ${asked ?? "several"} threads need a cross-origin isolated page, got another: one thread is used; serve it with ` +
    '"Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp"';
  return { threads: 1, notes: asked === 1 ? [] : [note] };
}

async function load(provider: Provider, threads: number, assets: string): Promise<Loaded> {
  const known = loaded.get(provider);
  if (known !== undefined) {
    const { threads: first } = await known;
    if (first === threads) return known;
    throw new Error(`runtime: a worker's threads must stay ${first}, got ${threads}; use another worker`);
  }
  const loading = loadNow(provider, threads, assets);
  loaded.set(provider, loading);
  return loading;
}

async function loadNow(provider: Provider, threads: number, assets: string): Promise<Loaded> {
  // The build with WebGPU is twice as large, and slower on the CPU.
  const ort = (await (provider === "webgpu"
    ? import("onnxruntime-web/webgpu")
    : import("onnxruntime-web/wasm"))) as typeof Ort;
  ort.env.wasm.wasmPaths = assets;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return { ort, threads };
}

async function createSession(
  ort: typeof Ort,
  definition: GraphDefinition,
  provider: Provider,
  kept: readonly string[],
) {
  const isWebGpu = provider === "webgpu";
  try {
    // As in Node: most of ONNX Runtime's own operators have no kernel on WebGPU.
    return await ort.InferenceSession.create(toOnnx(definition, { target: isWebGpu ? "standard" : "onnxruntime" }), {
      executionProviders: [isWebGpu ? "webgpu" : "wasm"],
      graphOptimizationLevel: "all",
      enableMemPattern: false,
      ...(kept.length > 0 && {
        preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, "gpu-buffer" as const])),
      }),
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new Error(`runtime: graph "${definition.name}" must load, got ${messageOf(error)}`, { cause: error });
  }
}

/** ONNX Runtime throws bare numbers where its memory is at an end. */
const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : `code ${error}: too little memory? Use a smaller model or batch`;

/** A session, and which of its results stay on the device. */
class WebSession implements DeviceExecutor {
  readonly #ort: typeof Ort;
  readonly #session: Ort.InferenceSession;
  readonly #definition: GraphDefinition;
  readonly #kept: ReadonlySet<string>;

  constructor(ort: typeof Ort, session: Ort.InferenceSession, definition: GraphDefinition, kept: readonly string[]) {
    this.#ort = ort;
    this.#session = session;
    this.#definition = definition;
    this.#kept = new Set(kept);
  }

  async run(feeds: Readonly<Record<string, AnyTensor>>) {
    const { name: graph, inputs } = this.#definition;
    const fed: Record<string, Ort.Tensor> = {};
    for (const name of Object.keys(inputs)) {
      const tensor = feeds[name];
      if (tensor === undefined) throw new Error(`runtime: graph "${graph}" needs the input "${name}"`);
      fed[name] = tensor instanceof WebGpuTensor ? tensor.tensor : this.#toOrt(tensor as HostTensor);
    }
    const results = Object.entries(await this.#run(fed));
    const [stay, leave] = [true, false].map((isKept) => results.filter(([name]) => this.#kept.has(name) === isKept));
    return {
      host: Object.fromEntries(leave!.map(([name, tensor]) => [name, fromOrt(tensor, tensor.data as Elements)])),
      device: Object.fromEntries(stay!.map(([name, tensor]) => [name, new WebGpuTensor(tensor)])),
    };
  }

  dispose(): Promise<void> {
    return inTurn(() => this.#session.release());
  }

  #toOrt({ dtype, data, shape }: HostTensor): Ort.Tensor {
    return new this.#ort.Tensor(dtype, data as Float32Array, shape);
  }

  async #run(fed: Record<string, Ort.Tensor>) {
    try {
      return await inTurn(() => this.#session.run(fed));
    } catch (error) {
      throw new Error(`runtime: graph "${this.#definition.name}" must run, got ${messageOf(error)}`, { cause: error });
    }
  }
}

/** The same where all results come to the host. */
class WebExecutor implements Executor {
  readonly #session: WebSession;

  constructor(session: WebSession) {
    this.#session = session;
  }

  async run(feeds: HostTensors, into: HostTensors = {}): Promise<HostTensors> {
    const { host } = await this.#session.run(feeds);
    return Object.fromEntries(Object.entries(host).map(([name, result]) => [name, delivered(result, into[name])]));
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}

/** A tensor in a buffer of the GPU. */
class WebGpuTensor implements DeviceTensor {
  readonly tensor: Ort.Tensor;

  constructor(tensor: Ort.Tensor) {
    this.tensor = tensor;
  }

  get dtype(): HostTensor["dtype"] {
    return this.tensor.type as HostTensor["dtype"];
  }

  get shape(): readonly number[] {
    return this.tensor.dims;
  }

  read(): Promise<HostTensor> {
    return inTurn(async () => fromOrt(this.tensor, (await this.tensor.getData()) as Elements));
  }

  dispose(): void {
    this.tensor.dispose();
  }
}

const fromOrt = (tensor: Ort.Tensor, data: Elements): HostTensor => ({
  dtype: tensor.type as HostTensor["dtype"],
  shape: tensor.dims,
  data,
});

/** WebAssembly has a memory of its own, from which results are copied. */
function delivered(result: HostTensor, into: HostTensor | undefined): HostTensor {
  if (into === undefined) return result;
  (into.data as Float32Array).set(result.data as Float32Array);
  return into;
}
