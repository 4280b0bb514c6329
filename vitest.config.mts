import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**", "build/**", "test/stack/**", "test/hosts/**"],
    // The Pulumi runtime keeps its mocks in module state: a process per file keeps files apart.
    pool: "forks",
    // A folder that does not exist: tests must not read this machine's settings.
    env: { CP_WHISPERX_HOME: resolve("build", "no-home") },
    // Vitest reserves a core for itself, too much on two cores.
    maxWorkers: "100%",
    // Only for what hangs: on a machine with other work everything takes many times as long.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
