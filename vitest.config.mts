import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**", "build/**", "test/stack/**", "test/hosts/**"],
    // The Pulumi runtime keeps its mocks in module state: a process per file keeps files apart.
    pool: "forks",
    // A folder that is not there: what this machine adds to its stacks is none of the tests' matter.
    env: { CP_WHISPERX_HOME: resolve("build", "no-home") },
    // Vitest leaves a core to itself: of two, that is one too many.
    maxWorkers: "100%",
    // Only for what hangs: on a machine with other work everything takes many times as long.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
