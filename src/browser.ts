/**
 * The library in a browser: all of it that needs neither files nor Node. Runs live in memory, file for file as in a run folder
 * (`MemoryRun`); `webRuntime` computes, by WebAssembly or WebGPU.
 */
export { applyOverrides } from "./config/overrides.ts";
export { findPreset, PRESETS, type Preset } from "./config/presets.ts";
export { ConfigError, modelOf, type RunConfig, type RunInput, resolveConfig } from "./config/runConfig.ts";
export type { Document } from "./data/document.ts";
export { type PrepareTextsOptions, prepareTexts } from "./data/prepareTexts.ts";
export { tokenizerFromJson } from "./data/tokenizer/loadTokenizer.ts";
export type { Tokenizer } from "./data/tokenizer/tokenizer.ts";
export type { TrainingData } from "./data/tokenStream.ts";
export { type FlopCounts, forwardFlops, totalFlops, trainingFlops } from "./flops/flops.ts";
export * as graph from "./graph/index.ts";
export type { CausalRule } from "./model/causalRule.ts";
export { capacityOf, denseTwin, layerKinds, type ModelConfig, type ModelInput, modelSchema } from "./model/config.ts";
export { countParameters, initialParameters } from "./model/parameters.ts";
export { applicableRules, causalRule, type EvaluationRule, RULES, type Rule } from "./model/rules.ts";
export type { WeightFormat } from "./model/weights.ts";
export type { NamedArray, NamedArrays } from "./notation.ts";
export { stepOfName } from "./run/checkpointFormat.ts";
export type { JsonObject } from "./run/json.ts";
export { MemoryRun, type RunFiles } from "./run/memoryRun.ts";
export type { MetricsRecord } from "./run/metricsFormat.ts";
export { decodeSafetensors, encodeSafetensors } from "./run/safetensors.ts";
export { type CheckpointChoice, fedParameters, type SavedModel } from "./run/savedModel.ts";
export type { HostTensors, Provider, Runtime } from "./runtime/executor.ts";
export { type WebRuntime, type WebRuntimeOptions, webRuntime } from "./runtime/web.ts";
export { serveInWorker, type WebPort, type WebWorker } from "./runtime/webWorker.ts";
export { chooseRule } from "./sample/chooseRule.ts";
export type { CompletionOptions } from "./sample/completionOptions.ts";
export type { FinishReason, GeneratedToken, GenerativeModel, GeneratorOptions } from "./sample/generator.ts";
export { type InspectedLayer, type Inspection, Inspector } from "./sample/inspector.ts";
export type { LanguageModel } from "./sample/languageModel.ts";
export { localModel } from "./sample/localModel.ts";
export { type EvaluationResult, Evaluator, type RuleResult } from "./train/evaluate.ts";
export { Replica, type ReplicaSettings } from "./train/replica.ts";
export { horizonSteps } from "./train/schedule.ts";
export { DivergedError, Trainer } from "./train/trainer.ts";
export { type StepRecord, type TrainEvent, TrainingRun } from "./train/trainingRun.ts";
export { TrainingState } from "./train/trainingState.ts";
