import type { ModelConfig } from "../model/config.ts";
import { type ParameterSpec, parameterList } from "../model/parameters.ts";
import {
  type AnyTensor,
  type DeviceExecutor,
  type DeviceTensor,
  emptyTensor,
  float32,
  floats,
  type HostTensors,
  type Runtime,
} from "../runtime/executor.ts";
import { gradientGraph, MOMENT_KINDS, type StateKind } from "./graphs.ts";
import { GRADIENT_GROUPS, type OptimizerConfig, type StepScalars } from "./optimizer.ts";
import { type ReplicaOutputs, type ReplicaPort, type ReplicaStep, sumOfPasses } from "./replica.ts";
import { updateGraph } from "./updateGraph.ts";

export interface DeviceReplicaSettings {
  readonly model: ModelConfig;
  readonly optimizer: OptimizerConfig;
  readonly batchSize: number;
  readonly accumulate: number;
}

type Tensors = Readonly<Record<string, AnyTensor>>;
type DeviceTensors = Readonly<Record<string, DeviceTensor>>;

/** What stays on the device: the results that the next pass or step begins with. */
const isKept = (output: string): boolean => output.startsWith("next.");

/**
 * A model that trains in a device's memory: parameters, moments and gradients stay there from step to step, and only a batch goes
 * in, losses and norms come out.
 */
export class DeviceReplica implements ReplicaPort {
  readonly #specs: readonly ParameterSpec[];
  readonly #gradients: DeviceExecutor;
  readonly #update: DeviceExecutor;
  /** `gradient.NAME`: zeros that a sum begins with; none where there is nothing to sum. */
  readonly #zeros: HostTensors;
  /** `KIND.NAME`; on the host until the first step. */
  #state: Tensors = {};

  private constructor(settings: DeviceReplicaSettings, gradients: DeviceExecutor, update: DeviceExecutor) {
    this.#specs = parameterList(settings.model);
    this.#gradients = gradients;
    this.#update = update;
    const summed = settings.accumulate > 1 ? this.#specs : [];
    this.#zeros = Object.fromEntries(
      summed.map(({ name, shape }) => [`gradient.${name}`, emptyTensor("float32", shape)]),
    );
  }

  /** Whether a runtime's device has such a memory. */
  static isPossible = (runtime: Runtime): boolean => runtime.compileOnDevice !== undefined;

  static async create(settings: DeviceReplicaSettings, runtime: Runtime): Promise<DeviceReplica> {
    const { model, batchSize, accumulate, optimizer } = settings;
    const passes = gradientGraph(model, batchSize, { share: 1 / accumulate, accumulating: accumulate > 1 });
    const gradients = await runtime.compileOnDevice!(passes, isKept);
    return new DeviceReplica(
      settings,
      gradients,
      await runtime.compileOnDevice!(updateGraph(model, optimizer), isKept),
    );
  }

  async load(state: HostTensors): Promise<void> {
    release(this.#state);
    this.#state = state;
  }

  async gradients(passes: readonly HostTensors[]): Promise<ReplicaOutputs> {
    const { outputs, found } = await this.#pass(passes);
    release(found);
    return outputs;
  }

  async step(passes: readonly HostTensors[], scalars: StepScalars): Promise<ReplicaStep> {
    const { outputs, found } = await this.#pass(passes);
    const { host, device } = await this.#update.run({ ...this.#state, ...found, ...scalarTensors(scalars) });
    release(found);
    const squares = [...floats(host, "squares")];
    const finite = [...squares, ...outputs.losses].every(Number.isFinite);
    const next = withoutNext(device);
    if (finite) {
      release(this.#state);
      this.#state = next;
    } else release(next);
    return { ...outputs, squares: squares.slice(0, GRADIENT_GROUPS.length), finite };
  }

  values(): Promise<HostTensors> {
    return this.#read(["value"]);
  }

  moments(): Promise<HostTensors> {
    return this.#read(MOMENT_KINDS);
  }

  async dispose(): Promise<void> {
    release(this.#state);
    this.#state = {};
    await this.#gradients.dispose();
    await this.#update.dispose();
  }

  /** Losses of all passes, and the gradients `gradient.NAME` that they leave. */
  async #pass(passes: readonly HostTensors[]): Promise<{ outputs: ReplicaOutputs; found: DeviceTensors }> {
    const values = this.#ofKinds(["value"]);
    const all: HostTensors[] = [];
    let found: DeviceTensors = {};
    for (const feeds of passes) {
      const { host, device } = await this.#gradients.run({ ...feeds, ...values, ...this.#zeros, ...found });
      release(found);
      found = withoutNext(device);
      all.push(host);
    }
    return { outputs: sumOfPasses(all), found };
  }

  #ofKinds(kinds: readonly StateKind[]): Tensors {
    const names = kinds.flatMap((kind) => this.#specs.map(({ name }) => `${kind}.${name}`));
    return Object.fromEntries(names.map((name) => [name, this.#state[name]!]));
  }

  async #read(kinds: readonly StateKind[]): Promise<HostTensors> {
    const read: [string, HostTensors[string]][] = [];
    for (const [name, tensor] of Object.entries(this.#ofKinds(kinds))) {
      read.push([name, isOnDevice(tensor) ? await tensor.read() : tensor]);
    }
    return Object.fromEntries(read);
  }
}

const isOnDevice = (tensor: AnyTensor): tensor is DeviceTensor => "read" in tensor;

function release(tensors: Tensors): void {
  for (const tensor of Object.values(tensors)) if (isOnDevice(tensor)) tensor.dispose();
}

const withoutNext = (tensors: DeviceTensors): DeviceTensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name.slice("next.".length), tensor]));

const scalarTensors = (scalars: StepScalars): HostTensors =>
  Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, float32([], Float32Array.of(value))]));
