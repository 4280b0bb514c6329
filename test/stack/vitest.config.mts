import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/stack/**/*.test.ts"],
    globalSetup: "test/stack/setup.ts",
    // All files work on the one stack that the setup brings up.
    fileParallelism: false,
    testTimeout: 10 * 60_000,
    hookTimeout: 40 * 60_000,
    bail: 0,
  },
});
