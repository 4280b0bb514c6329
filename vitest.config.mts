import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**", "build/**", "test/stack/**", "test/hosts/**"],
    // The Pulumi runtime keeps its mocks in module state: a process per file keeps files apart.
    pool: "forks",
    // Vitest leaves a core to itself: of two, that is one too many.
    maxWorkers: "100%",
    // Tests of properties take 4 s of a core, and get a tenth of one on a busy machine.
    testTimeout: 300_000,
  },
});
