import * as path from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** One deployment, step by step: the first file deploys it, unless it is skipped, and the last one removes it. */
const FILES = ["hub.test.ts", "hosts.test.ts"];

class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => FILES.indexOf(path.basename(moduleId));
    return [...files].sort((one, other) => place(one) - place(other));
  }
}

export default defineConfig({
  test: {
    include: FILES.map((file) => `test/hosts/${file}`),
    globalSetup: "test/hosts/setup.ts",
    fileParallelism: false,
    sequence: { sequencer: InOrder },
    // Each command has its own time limit, which ends its work.
    testTimeout: 4 * 3_600_000,
    hookTimeout: 4 * 3_600_000,
    teardownTimeout: 3_600_000,
  },
});
