import { writeSync } from "node:fs";
import { resolveConfig } from "../../config/runConfig.ts";
import { openData } from "../../data/openData.ts";
import { lockRun } from "../../run/lock.ts";
import { cleanRun, openRun } from "../../run/runFolder.ts";
import { nodeRuntime } from "../../runtime/node.ts";
import { trainRun } from "../trainRun.ts";

/**
 * `node trainProcess.js RUN DATA`: trains a run folder on a prepared folder, to its end, and writes `KIND STEP` of each event
 * as a line. A process for tests to kill.
 */
const [dir, dataDir] = process.argv.slice(2) as [string, string];
const lock = lockRun(dir);
cleanRun(dir);
const data = openData(dataDir);
const options = { dir, config: resolveConfig(openRun(dir).config), data, runtime: nodeRuntime({ threads: 1 }) };
for await (const { kind, step } of trainRun(options)) writeSync(1, `${kind} ${step}\n`);
data.close();
lock.release();
