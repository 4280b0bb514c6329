import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**", "build/**", "test/stack/**", "test/hosts/**"],
    // The Pulumi runtime keeps its mocks in module state: a process per file keeps files apart.
    pool: "forks",
    testTimeout: 30_000,
  },
});
