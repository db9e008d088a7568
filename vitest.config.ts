import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // ONNX Runtime is a native module that owns threads: one process a worker keeps crashes and thread counts apart.
    pool: "forks",
    testTimeout: 60_000,
  },
});
