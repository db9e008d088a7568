import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { defaultClientConditions, type Plugin } from "vite";
import { corpusJson } from "../../src/ui/corpus.ts";
import { ISOLATION_SCRIPT } from "./isolation.ts";
import { CORPORA, type CorpusName } from "./protocol.ts";

const require = createRequire(import.meta.url);

/** ONNX Runtime's two builds, for the CPU and with WebGPU. It loads them itself, as they are, by address. */
const RUNTIME_FILES = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"].flatMap((name) => [
  `${name}.mjs`,
  `${name}.wasm`,
]);

/** What a page needs so that threads may share memory. */
export const ISOLATION_HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
} as const;

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

export interface EngineAssetsOptions {
  /** Those that the site brings; all, if not given. A server may have others from elsewhere. */
  readonly corpora?: readonly CorpusName[];
}

/**
 * What the engine needs of a site: writes ONNX Runtime's files and the corpora to `engine/`, and the service worker of isolation to
 * `isolation.js`; builds workers as modules; lets the development servers send the headers of isolation.
 */
export function engineAssets({ corpora = CORPORA }: EngineAssetsOptions = {}): Plugin {
  const assets = assetsWith(corpora);
  return {
    name: "mod-engine-assets",
    config: () => ({
      // The runtime's files come from the site's folder, not once more from the bundle.
      resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
      worker: { format: "es" },
      optimizeDeps: { exclude: ["onnxruntime-web"] },
      server: { headers: ISOLATION_HEADERS },
      preview: { headers: ISOLATION_HEADERS },
    }),
    configureServer(server) {
      server.middlewares.use(async (request, response, next) => {
        const name = /\/(engine\/[\w.-]+|isolation\.js)(?:\?|$)/.exec(request.url ?? "")?.[1];
        const content = assets.get(name ?? "");
        if (content === undefined) return next();
        for (const [header, value] of Object.entries(ISOLATION_HEADERS)) response.setHeader(header, value);
        response.setHeader("Content-Type", TYPES[path.extname(name!)]!);
        response.end(await content());
      });
    },
    async generateBundle() {
      for (const [name, content] of assets) {
        this.emitFile({ type: "asset", fileName: name, source: await content() });
      }
    },
  };
}

type Content = () => Uint8Array | string | Promise<string>;

/** Files by their path in the site. */
const assetsWith = (corpora: readonly CorpusName[]): ReadonlyMap<string, Content> =>
  new Map<string, Content>([
    [ISOLATION_SCRIPT, () => readFileSync(path.join(import.meta.dirname, "isolationWorker.js"))],
    ...RUNTIME_FILES.map(
      (name) => [`engine/${name}`, () => readFileSync(require.resolve(`onnxruntime-web/${name}`))] as const,
    ),
    ...corpora.map((name) => [`engine/${name}.json`, () => corpusJson(name)] as const),
  ]);
