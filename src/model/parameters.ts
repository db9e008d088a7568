import type { NamedArray, NamedArrays } from "../notation.ts";
import { fillNormal, hashText } from "../random.ts";
import { derived, layerKinds, type ModelConfig } from "./config.ts";
import { routesOf } from "./expertsConfig.ts";
import { hasExperts, isRouted } from "./layerKind.ts";

/** What is known of a parameter before it has values. */
export class ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Standard deviation of its normal initial values, or the constant that fills it. */
  readonly initial: { readonly std: number } | { readonly fill: number };
  readonly role: ParameterRole;

  constructor(name: string, shape: readonly number[], initial: ParameterSpec["initial"], role: ParameterRole) {
    this.name = name;
    this.shape = shape;
    this.initial = initial;
    this.role = role;
  }

  /** Number of its elements. */
  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }
}

/**
 * What a parameter is, which decides how the optimizer treats it: only `matrix` decays by default, and `predictor` is
 * clipped as a group of its own.
 */
export type ParameterRole = "matrix" | "norm" | "embedding" | "router" | "predictor";

export interface AttentionParameters<T> {
  /** [D, (N + 2K)·H]: queries, keys and values, side by side. */
  readonly qkv: T;
  /** [N·H, D] */
  readonly output: T;
}

/** The weights of an MLP; of experts each has a leading axis, [E, D, F]. */
export interface MlpWeights<T> {
  /** [D, F] */
  readonly up: T;
  /** [D, F], SwiGLU only. */
  readonly gate?: T;
  /** [F, D] */
  readonly down: T;
}

export interface MlpParameters<T> extends MlpWeights<T> {
  readonly kind: "mlp";
}

export interface ExpertsParameters<T> extends MlpWeights<T> {
  readonly kind: "experts";
  /** [D, E + O] */
  readonly router: T;
  /** Of expert choice: one logit for each expert. */
  readonly predictor?: PredictorParameters<T>;
}

export interface BlockParameters<T> {
  /** [D] */
  readonly attentionNorm: T;
  readonly attention: AttentionParameters<T>;
  /** [D] */
  readonly feedForwardNorm: T;
  readonly feedForward: MlpParameters<T> | ExpertsParameters<T>;
}

export interface PredictorParameters<T> {
  /** [D, P] */
  readonly hidden: T;
  /** [P] */
  readonly hiddenBias: T;
  /** [P, 1], or [P, E] */
  readonly output: T;
  /** [1], or [E] */
  readonly outputBias: T;
}

export interface DenseLayerParameters<T> {
  readonly kind: "dense";
  readonly block: BlockParameters<T>;
}

export interface ModLayerParameters<T> {
  readonly kind: "mod";
  readonly block: BlockParameters<T>;
  /** [D, 1]; a model with random routing has none. */
  readonly router?: T;
  readonly predictor?: PredictorParameters<T>;
}

export interface TransformerParameters<T> {
  /** [V, D] */
  readonly embedding: T;
  readonly layers: readonly (DenseLayerParameters<T> | ModLayerParameters<T>)[];
  /** [D] */
  readonly finalNorm: T;
  /** [D, V]; a model with a tied head has none. */
  readonly head?: T;
}

/** The parameters of a model: names, shapes and how they start. See docs/MODEL.md for the choice of the initial values. */
export function transformerParameters(config: ModelConfig): TransformerParameters<ParameterSpec> {
  const { dModel, vocabSize } = config;
  const layers = layerKinds(config).map((kind, i) => {
    const prefix = `layers.${i}`;
    const block = blockParameters(prefix, config, hasExperts(kind));
    return isRouted(kind)
      ? { kind: "mod" as const, block, ...routerParameters(prefix, config) }
      : { kind: "dense" as const, block };
  });
  return {
    embedding: new ParameterSpec("embedding", [vocabSize, dModel], { std: derived(config).embeddingStd }, "embedding"),
    layers,
    finalNorm: norm("finalNorm", dModel),
    ...(config.tiedHead ? {} : { head: new ParameterSpec("head", [dModel, vocabSize], { std: HEAD_STD }, "matrix") }),
  };
}

/** Small, so that the first logits are near 0 and the first loss near ln V. */
const HEAD_STD = 0.02;

const norm = (name: string, width: number) => new ParameterSpec(name, [width], { fill: 1 }, "norm");

/** Normal with variance 1/inputs, which keeps the scale of a normalised input: [inputs, outputs], or one such for each expert. */
const matrix = (name: string, shape: readonly number[], scale = 1) =>
  new ParameterSpec(name, shape, { std: scale / Math.sqrt(shape.at(-2)!) }, "matrix");

/** 2L additions enter the residual stream: each starts smaller by √(2L), so that their sum keeps its scale (GPT-2). */
const residualScale = ({ nLayer }: ModelConfig): number => 1 / Math.sqrt(2 * nLayer);

function blockParameters(prefix: string, config: ModelConfig, experts: boolean): BlockParameters<ParameterSpec> {
  const { dModel } = config;
  const { dKv, dMlp } = derived(config);
  return {
    attentionNorm: norm(`${prefix}.attentionNorm`, dModel),
    attention: {
      qkv: matrix(`${prefix}.attention.qkv`, [dModel, dModel + 2 * dKv]),
      output: matrix(`${prefix}.attention.output`, [dModel, dModel], residualScale(config)),
    },
    feedForwardNorm: norm(`${prefix}.feedForwardNorm`, dModel),
    feedForward: experts
      ? expertsParameters(`${prefix}.experts`, config)
      : { kind: "mlp", ...mlpWeights(`${prefix}.feedForward`, config, [], dMlp) },
  };
}

/** The weights of an MLP, or of several: `leading` is [] or [E]. */
const mlpWeights = (
  prefix: string,
  config: ModelConfig,
  leading: readonly number[],
  width: number,
): MlpWeights<ParameterSpec> => ({
  up: matrix(`${prefix}.up`, [...leading, config.dModel, width]),
  ...(config.mlp === "swiglu" ? { gate: matrix(`${prefix}.gate`, [...leading, config.dModel, width]) } : {}),
  down: matrix(`${prefix}.down`, [...leading, width, config.dModel], residualScale(config)),
});

function expertsParameters(prefix: string, config: ModelConfig): ExpertsParameters<ParameterSpec> {
  const { dModel, experts, routerStd } = config;
  if (experts === undefined) throw new Error("expertsParameters: the model must have experts, got none");
  const routes = routesOf(experts);
  const width = experts.choice === "expert" && experts.predictor?.width;
  return {
    kind: "experts",
    router: new ParameterSpec(`${prefix}.router`, [dModel, routes], { std: routerStd }, "router"),
    ...mlpWeights(prefix, config, [experts.count], experts.dMlp ?? derived(config).dMlp),
    ...(width && { predictor: predictorParameters(`${prefix}.predictor`, dModel, width, routes) }),
  };
}

function routerParameters(prefix: string, { dModel, routing, routerStd }: ModelConfig) {
  if (routing.kind !== "learned") return {};
  const router = new ParameterSpec(`${prefix}.router`, [dModel, 1], { std: routerStd }, "router");
  return routing.predictor === null
    ? { router }
    : { router, predictor: predictorParameters(`${prefix}.predictor`, dModel, routing.predictor.width) };
}

function predictorParameters(
  prefix: string,
  dModel: number,
  width: number,
  outputs = 1,
): PredictorParameters<ParameterSpec> {
  const part = (name: string, shape: readonly number[], initial: ParameterSpec["initial"]) =>
    new ParameterSpec(`${prefix}.${name}`, shape, initial, "predictor");
  return {
    hidden: part("hidden", [dModel, width], { std: 1 / Math.sqrt(dModel) }),
    hiddenBias: part("hiddenBias", [width], { fill: 0 }),
    output: part("output", [width, outputs], { std: 1 / Math.sqrt(width) }),
    outputBias: part("outputBias", [outputs], { fill: 0 }),
  };
}

/** All specifications of a tree, in the order in which they are written to a checkpoint. */
export const parameterList = (config: ModelConfig): ParameterSpec[] => leaves(transformerParameters(config));

function leaves(tree: unknown): ParameterSpec[] {
  if (tree instanceof ParameterSpec) return [tree];
  return typeof tree === "object" && tree !== null ? Object.values(tree).flatMap(leaves) : [];
}

/** The tree of a model's parameters with something else in each place: a tensor, an array. */
export function mapParameters<T>(
  tree: TransformerParameters<ParameterSpec>,
  f: (spec: ParameterSpec) => T,
): TransformerParameters<T> {
  const visit = (node: unknown): unknown => {
    if (node instanceof ParameterSpec) return f(node);
    if (Array.isArray(node)) return node.map(visit);
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, visit(value)]));
  };
  return visit(tree) as TransformerParameters<T>;
}

/**
 * Initial values. Each parameter draws from a random stream of its own, of the seed and its name: adding a predictor or a
 * layer changes no other parameter.
 */
export function initialParameters(config: ModelConfig, seed: number): Map<string, NamedArray> {
  return new Map(
    parameterList(config).map(({ name, shape, size, initial }) => {
      const data = new Float32Array(size);
      if ("fill" in initial) data.fill(initial.fill);
      else fillNormal(data, initial.std, seed, hashText(name));
      return [name, { shape, data }];
    }),
  );
}

/**
 * The specification and the array of each parameter, in order.
 *
 * @throws where an array is missing or has another shape; `where` begins the message.
 */
export function matchParameters(config: ModelConfig, arrays: NamedArrays, where: string) {
  return parameterList(config).map((spec) => {
    const array = arrays.get(spec.name);
    if (array?.shape.join() === spec.shape.join()) return { spec, array };
    const got = array === undefined ? "nothing" : `[${array.shape.join(", ")}]`;
    throw new Error(
      `${where}: parameter "${spec.name}" must have shape [${spec.shape.join(", ")}], got ${got}; is config.json changed?`,
    );
  });
}

/** Number of parameters, all of them. */
export const countParameters = (config: ModelConfig): number =>
  parameterList(config).reduce((total, { size }) => total + size, 0);
