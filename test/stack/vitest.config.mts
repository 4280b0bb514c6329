import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/stack/**/*.test.ts"],
    globalSetup: "test/stack/setup.ts",
    setupFiles: "test/stack/each.ts",
    // All files use the one stack of the setup.
    fileParallelism: false,
    // Each command has its own time limit, which ends its work.
    testTimeout: 4 * 3_600_000,
    hookTimeout: 4 * 3_600_000,
    teardownTimeout: 3_600_000,
  },
});
