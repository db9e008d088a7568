import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from "vitest/node";

/** What a machine may lack. A skipped test with the name in brackets in its full name is one that cannot run without it. */
const NEEDS = [
  { what: "WebGPU", variable: "MOD_REQUIRE_WEBGPU", packages: "chromium and libvulkan1" },
  { what: "Chromium", variable: "MOD_REQUIRE_CHROMIUM", packages: "chromium" },
] as const;

/**
 * Ends a run with the name of every skipped test and one line `N passed, N failed, N skipped`. A file or suite that breaks
 * outside a test counts as failed. With MOD_REQUIRE_WEBGPU=1 a test skipped for want of WebGPU fails the run, and with
 * MOD_REQUIRE_CHROMIUM=1 one skipped for want of a browser.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const skipped = tests.filter(isIn("skipped"));
    const broken = modules.flatMap(brokenOutsideTests).length + unhandled.length;
    for (const test of skipped) print(`skipped: ${nameOf(test)}`);
    for (const need of NEEDS) requireMet(need, skipped);
    const failed = tests.filter(isIn("failed")).length + broken;
    print(`${tests.filter(isIn("passed")).length} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}

function requireMet({ what, variable, packages }: (typeof NEEDS)[number], skipped: readonly TestCase[]): void {
  const missed = skipped.filter((test) => nameOf(test).includes(`(needs ${what})`));
  if (process.env[variable] !== "1" || missed.length === 0) return;
  print(
    `${variable}: ${what} must be here, got ${missed.length} tests skipped without it; ` +
      `install ${packages}, or unset ${variable}`,
  );
  process.exitCode = 1;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const nameOf = (test: TestCase): string => `${test.module.relativeModuleId} > ${test.fullName}`;

const isIn = (state: "passed" | "failed" | "skipped") => (test: TestCase) => test.result().state === state;

function brokenOutsideTests(module: TestModule): (TestModule | TestSuite)[] {
  return [module, ...module.children.allSuites()].filter((part) => part.errors().length > 0);
}
