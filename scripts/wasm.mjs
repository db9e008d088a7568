/** Writes src/train/updateModule.ts from src/train/update.wat: `npm run wasm`; with `--check` it only tells whether they agree. */
import { readFileSync, writeFileSync } from "node:fs";
import loadWabt from "wabt";

const source = new URL("../src/train/update.wat", import.meta.url);
const target = new URL("../src/train/updateModule.ts", import.meta.url);

const wabt = await loadWabt();
const { buffer } = wabt.parseWat("update.wat", readFileSync(source, "utf8"), { simd: true }).toBinary({});
const lines = Buffer.from(buffer)
  .toString("base64")
  .match(/.{1,116}/g)
  .map((line) => `  ${JSON.stringify(line)},`);
const text = `/** update.wat as bytes, in base64. Made by \`npm run wasm\`. */
export const UPDATE_MODULE = [
${lines.join("\n")}
].join("");
`;

if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error("src/train/updateModule.ts is not what src/train/update.wat gives: run `npm run wasm`");
  process.exitCode = 1;
}
