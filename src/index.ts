/** The library: train, evaluate, sample and look into Mixture-of-Depths language models. See README.md for an example. */
export { applyOverrides } from "./config/overrides.ts";
export { findPreset, PRESETS, type Preset } from "./config/presets.ts";
export { ConfigError, modelOf, type RunConfig, type RunInput, resolveConfig } from "./config/runConfig.ts";
export { type DataChoice, openOrPrepareData } from "./data/dataCache.ts";
export { readDocuments } from "./data/documents.ts";
export { evaluationWindows, validationWindows } from "./data/evaluationWindows.ts";
export { openData, type PreparedData } from "./data/openData.ts";
export { type PrepareOptions, prepareData, type TokenizerChoice } from "./data/prepare.ts";
export { BpeTokenizer } from "./data/tokenizer/bpeTokenizer.ts";
export { ByteTokenizer } from "./data/tokenizer/byteTokenizer.ts";
export { gpt2Tokenizer } from "./data/tokenizer/gpt2.ts";
export { tokenizerFromJson } from "./data/tokenizer/loadTokenizer.ts";
export { type Tokenizer, tokenByteLengths } from "./data/tokenizer/tokenizer.ts";
export { trainBpe } from "./data/tokenizer/trainBpe.ts";
export { type ExportOnnxOptions, exportOnnx } from "./export/exportOnnx.ts";
export { exportSafetensors } from "./export/exportSafetensors.ts";
export { type FlopCounts, forwardFlops, totalFlops, trainingFlops } from "./flops/flops.ts";
export * as graph from "./graph/index.ts";
export { causalFeeds, causalGraph } from "./model/causalGraph.ts";
export { capacityOf, denseTwin, type ModelConfig, type ModelInput, modelSchema } from "./model/config.ts";
export { countParameters, initialParameters, parameterList } from "./model/parameters.ts";
export { applicableRules, causalRule, type EvaluationRule, RULES, type Rule } from "./model/rules.ts";
export type { NamedArray, NamedArrays } from "./notation.ts";
export type { RoutingMap } from "./render/routingMap.ts";
export { renderRoutingMapSvg } from "./render/svg.ts";
export { renderRoutingMap } from "./render/terminal.ts";
export { lockRun } from "./run/lock.ts";
export { readMetrics } from "./run/metrics.ts";
export type { MetricsRecord } from "./run/metricsFormat.ts";
export { openSavedModel } from "./run/openSavedModel.ts";
export { createRun, openRun } from "./run/runFolder.ts";
export { decodeSafetensors, encodeSafetensors } from "./run/safetensors.ts";
export type { SavedModel } from "./run/savedModel.ts";
export type { Executor, HostTensor, HostTensors, Runtime } from "./runtime/executor.ts";
export { type NodeRuntimeOptions, nodeRuntime } from "./runtime/node.ts";
export type { CompletionOptions } from "./sample/completionOptions.ts";
export { Decoder, type DecoderOptions, type StepOutput } from "./sample/decoder.ts";
export { type GenerateOptions, generate } from "./sample/generate.ts";
export {
  type FinishReason,
  type GeneratedToken,
  type GenerationEvent,
  Generator,
  type GeneratorOptions,
} from "./sample/generator.ts";
export { type InspectedLayer, type Inspection, Inspector, inspectText } from "./sample/inspector.ts";
export {
  type CompletionResult,
  type GenerateRequest,
  LanguageModel,
} from "./sample/languageModel.ts";
export { type LoadOptions, loadModel } from "./sample/loadModel.ts";
export { routingOf } from "./sample/routingOf.ts";
export { fitStudy } from "./study/fit.ts";
export { planStudy } from "./study/plan.ts";
export { writeReport } from "./study/report.ts";
export { readResults } from "./study/results.ts";
export { readStudy, type Study, type StudyInput } from "./study/studySchema.ts";
export { type CalibrateOptions, calibrateThresholds } from "./train/calibrate.ts";
export { type EvaluationResult, Evaluator, type ScoredToken } from "./train/evaluate.ts";
export { gradientGraph } from "./train/graphs.ts";
export { DivergedError, Trainer } from "./train/trainer.ts";
export { type StepRecord, type TrainEvent, TrainingRun } from "./train/trainingRun.ts";
export { TrainingState } from "./train/trainingState.ts";
export { trainRun } from "./train/trainRun.ts";
