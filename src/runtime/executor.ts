import { ARRAY_TYPE, type DType, type GraphDefinition } from "../graph/index.ts";

export type Elements = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** A tensor in host memory, row-major. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Elements;
}

export type HostTensors = Readonly<Record<string, HostTensor>>;

/** A compiled graph. */
export interface Executor {
  /**
   * Feeds every input and returns every output. An output named in `into` is written to that tensor's memory instead of new
   * memory. That may be the memory of a feed only where each element of the output follows from that element of the feed and
   * nothing reads the feed later: a sum that grows.
   */
  run(feeds: HostTensors, into?: HostTensors): Promise<HostTensors>;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** Keeps the memory of intermediate results from run to run, as is the default: faster, but it takes more of it. */
  readonly keepsMemory?: boolean;
}

/** A tensor in the memory of a device, until it is given back. */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  read(): Promise<HostTensor>;
  dispose(): void;
}

export type AnyTensor = HostTensor | DeviceTensor;

/** A compiled graph some of whose results stay on the device. */
export interface DeviceExecutor {
  /** Feeds every input, from wherever it is. Results that stay are the caller's to give back. */
  run(feeds: Readonly<Record<string, AnyTensor>>): Promise<{
    readonly host: HostTensors;
    readonly device: Readonly<Record<string, DeviceTensor>>;
  }>;
  dispose(): Promise<void>;
}

/** Compiles graphs for one device. The rest of the library sees only this; adapters hide the engine. */
export interface Runtime {
  readonly provider: Provider;
  readonly threads: number;
  compile(definition: GraphDefinition, options?: CompileOptions): Promise<Executor>;
  /** Compiles a graph of which the outputs chosen stay on the device. Missing where they would have to leave it. */
  compileOnDevice?(definition: GraphDefinition, isKept: (output: string) => boolean): Promise<DeviceExecutor>;
  /**
   * Runs a module on a thread of its own, where it answers calls (see `serve.ts`). Missing where the device has no threads
   * to share out.
   */
  startWorker?(module: WorkerModule, data: unknown): Promise<WorkerHandle>;
}

/** What runs on threads of its own: each the path of a module below src/, without its ending. */
export type WorkerModule = "train/replicaWorker" | "sample/completionWorker" | "ui/readingWorker";

/** A thread that answers calls, one after the other. */
export interface WorkerHandle {
  /** Calls a method there. Arguments and results are copied, but for shared memory and the buffers listed, which move there. */
  call(method: string, args: readonly unknown[], moved?: readonly ArrayBuffer[]): Promise<unknown>;
  stop(): Promise<void>;
}

export const PROVIDERS = ["cpu", "webgpu"] as const;
export type Provider = (typeof PROVIDERS)[number];

/** Zeros of a type. */
export function emptyTensor(dtype: DType, shape: readonly number[]): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype, shape, data: new ARRAY_TYPE[dtype](size) };
}

export const float32 = (shape: readonly number[], data: Float32Array): HostTensor => ({
  dtype: "float32",
  shape,
  data,
});

export const int32 = (shape: readonly number[], data: Int32Array): HostTensor => ({ dtype: "int32", shape, data });

/** The float32 elements of an output. */
export function floats(tensors: HostTensors, name: string): Float32Array {
  const data = tensors[name]?.data;
  if (data instanceof Float32Array) return data;
  throw new TypeError(`runtime: output "${name}" must be float32, got ${tensors[name]?.dtype ?? "no such output"}`);
}
