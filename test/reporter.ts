import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from "vitest/node";

/** A skipped test with one of these in its full name is one that a machine without WebGPU, or without a browser, cannot run. */
const NEEDS = ["(needs WebGPU)", "(needs Chromium)"];

/**
 * Ends a run with the name of every skipped test and one line `N passed, N failed, N skipped`. A file or suite that breaks
 * outside a test counts as failed. With MOD_REQUIRE_WEBGPU=1 a test skipped for want of WebGPU or Chromium fails the run.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const skipped = tests.filter(isIn("skipped"));
    const broken = modules.flatMap(brokenOutsideTests).length + unhandled.length;
    for (const test of skipped) print(`skipped: ${nameOf(test)}`);
    this.#requireWebGpu(skipped);
    const failed = tests.filter(isIn("failed")).length + broken;
    print(`${tests.filter(isIn("passed")).length} passed, ${failed} failed, ${skipped.length} skipped`);
  }

  #requireWebGpu(skipped: readonly TestCase[]): void {
    const missed = skipped.filter((test) => NEEDS.some((need) => nameOf(test).includes(need)));
    if (process.env.MOD_REQUIRE_WEBGPU !== "1" || missed.length === 0) return;
    print(
      `MOD_REQUIRE_WEBGPU: WebGPU and Chromium must be here, got ${missed.length} tests skipped without; ` +
        "install chromium and libvulkan1, or unset MOD_REQUIRE_WEBGPU",
    );
    process.exitCode = 1;
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const nameOf = (test: TestCase): string => `${test.module.relativeModuleId} > ${test.fullName}`;

const isIn = (state: "passed" | "failed" | "skipped") => (test: TestCase) => test.result().state === state;

function brokenOutsideTests(module: TestModule): (TestModule | TestSuite)[] {
  return [module, ...module.children.allSuites()].filter((part) => part.errors().length > 0);
}
