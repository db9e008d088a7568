import { defineConfig } from "vitest/config";

/** More cases of every property take as many times as long: src/testing/cases.ts. */
const PATIENCE = 60_000 * Number(process.env.MOD_FUZZ ?? 1);

export default defineConfig({
  test: {
    reporters: ["default", "./test/reporter.ts"],
    // ONNX Runtime is a native module that owns threads: one process a worker keeps crashes and thread counts apart.
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "web/{app,engine}/**/*.test.ts"],
          testTimeout: PATIENCE,
          hookTimeout: PATIENCE,
          maxWorkers: "100%",
        },
      },
      {
        extends: true,
        test: {
          name: "whole",
          include: ["test/**/*.test.ts", "web/test/**/*.test.ts"],
          globalSetup: "./test/support/build.ts",
          // Most of these start processes of their own, each of which loads ONNX Runtime: slow on a busy machine.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          expect: { poll: { timeout: 15_000 } },
          // They measure how fast pages answer, and use all cores: one after the other, when the others are done.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
