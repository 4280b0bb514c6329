import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["bench/**/*.bench.ts"],
    globalSetup: "test/stack/setup.ts",
    testTimeout: 4 * 3_600_000,
    teardownTimeout: 3_600_000,
  },
});
