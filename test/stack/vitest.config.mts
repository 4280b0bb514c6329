import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/stack/**/*.test.ts"],
    globalSetup: "test/stack/setup.ts",
    setupFiles: "test/stack/each.ts",
    // All files work on the one stack that the setup brings up.
    fileParallelism: false,
    // Each command has a limit of its own, which ends its work.
    testTimeout: 4 * 3_600_000,
    hookTimeout: 4 * 3_600_000,
    teardownTimeout: 3_600_000,
  },
});
