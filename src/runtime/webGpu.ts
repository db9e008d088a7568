/** What browsers have, and Node's types lack. */
declare const navigator: { readonly gpu?: { requestAdapter(): Promise<object | null> } };

/** What is there in place of WebGPU, in words; null where it is there. */
export async function webGpuProblem(): Promise<string | null> {
  if (navigator.gpu === undefined) return "none in this browser";
  return (await navigator.gpu.requestAdapter()) === null ? "no adapter on this machine" : null;
}
