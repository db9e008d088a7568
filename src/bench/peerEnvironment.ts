/** Variables that keep a library to an old kernel or to few threads: no peer is measured under them. */
const PINS = [
  "OPENBLAS_CORETYPE",
  "MKL_ENABLE_INSTRUCTIONS",
  "ONEDNN_MAX_CPU_ISA",
  "DNNL_MAX_CPU_ISA",
  "ATEN_CPU_CAPABILITY",
  "OPENBLAS_NUM_THREADS",
  "GOTO_NUM_THREADS",
  "OMP_NUM_THREADS",
  "OMP_THREAD_LIMIT",
  "MKL_NUM_THREADS",
  "XLA_FLAGS",
];

/** This process's environment without what would hold a peer back, and with the settings of its own. */
export function peerEnvironment(
  added: NodeJS.ProcessEnv = {},
  base: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const kept = Object.entries(base).filter(([name]) => !PINS.includes(name));
  return { ...Object.fromEntries(kept), PYTHONDONTWRITEBYTECODE: "1", ...added };
}
