import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["bench/**/*.bench.ts"],
    globalSetup: "test/stack/setup.ts",
    testTimeout: 30 * 60_000,
    hookTimeout: 40 * 60_000,
  },
});
