import { availableParallelism } from "node:os";
import * as ort from "onnxruntime-node";
import { type GraphDefinition, toOnnx } from "../graph/index.ts";
import type { Elements, Executor, HostTensor, HostTensors, Provider, Runtime } from "./executor.ts";
import { HAS_WORKERS, startWorker } from "./worker.ts";

export interface NodeRuntimeOptions {
  readonly provider?: Provider;
  /** Threads of the CPU provider; all the machine has, if not given. */
  readonly threads?: number;
  /** `basic` keeps ONNX Runtime from fusing operators, some of which have no double-precision kernel; `all` if not given. */
  readonly optimization?: "basic" | "all";
  /** Writes per-operator times to files that begin with this path. */
  readonly profilePrefix?: string;
}

/** The runtime of Node: ONNX Runtime's native library. */
export function nodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  const { provider = "cpu", threads = availableParallelism(), optimization = "all", profilePrefix } = options;
  return {
    provider,
    threads,
    compile: async (definition, { keepsMemory = true } = {}) => {
      const session = await createSession(definition, provider, {
        executionProviders: [provider],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: optimization,
        // A memory pattern is laid out beside what the first run took, which stays: half as much memory again, for no speed.
        enableMemPattern: false,
        enableCpuMemArena: keepsMemory,
        logSeverityLevel: 3,
        ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
      });
      return new SessionExecutor(session, definition, profilePrefix !== undefined);
    },
    ...(provider === "cpu" && HAS_WORKERS && { startWorker }),
  };
}

async function createSession(
  definition: GraphDefinition,
  provider: Provider,
  options: ort.InferenceSession.SessionOptions,
) {
  try {
    // Most of ONNX Runtime's own operators, transposed products above all, have no kernel on WebGPU: they would run on the CPU.
    const target = provider === "webgpu" ? "standard" : "onnxruntime";
    return await ort.InferenceSession.create(toOnnx(definition, { target }), options);
  } catch (error) {
    const hint = provider === "webgpu" ? "; is there a WebGPU adapter? --provider cpu needs none" : "";
    throw new Error(`runtime: graph "${definition.name}" must load, got ${(error as Error).message}${hint}`, {
      cause: error,
    });
  }
}

class SessionExecutor implements Executor {
  readonly #session: ort.InferenceSession;
  readonly #definition: GraphDefinition;
  readonly #profiling: boolean;
  /** Of tensors that are fed again, such as parameters and caches: making one takes longer than finding it. */
  readonly #known = new WeakMap<HostTensor, ort.Tensor>();

  constructor(session: ort.InferenceSession, definition: GraphDefinition, profiling: boolean) {
    this.#session = session;
    this.#definition = definition;
    this.#profiling = profiling;
  }

  async run(feeds: HostTensors, into: HostTensors = {}): Promise<HostTensors> {
    const inputs: Record<string, ort.Tensor> = {};
    for (const name of Object.keys(this.#definition.inputs)) {
      const tensor = feeds[name];
      if (tensor === undefined) throw new Error(`runtime: graph "${this.#definition.name}" needs the input "${name}"`);
      inputs[name] = this.#ortTensor(tensor);
    }
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const name of Object.keys(this.#definition.outputs)) {
      fetches[name] = into[name] === undefined ? null : toOrt(into[name]);
    }
    const results = await this.#session.run(inputs, fetches);
    return Object.fromEntries(Object.keys(fetches).map((name) => [name, into[name] ?? fromOrt(results[name]!)]));
  }

  #ortTensor(tensor: HostTensor): ort.Tensor {
    const known = this.#known.get(tensor);
    if (known !== undefined) return known;
    const made = toOrt(tensor);
    this.#known.set(tensor, made);
    return made;
  }

  async dispose(): Promise<void> {
    if (this.#profiling) this.#session.endProfiling();
    await this.#session.release();
  }
}

// ONNX Runtime reads and writes the array in place: no copy is made on the way in, nor on the way out into a given tensor.
const toOrt = ({ dtype, data, shape }: HostTensor): ort.Tensor => new ort.Tensor(dtype, data as Float32Array, shape);

const fromOrt = (tensor: ort.Tensor): HostTensor => ({
  dtype: tensor.type as HostTensor["dtype"],
  shape: tensor.dims,
  data: tensor.data as Elements,
});
