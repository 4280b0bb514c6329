import * as path from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** One deployment, step by step: the first file deploys it, the last one takes it away. */
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
    testTimeout: 10 * 60_000,
    hookTimeout: 20 * 60_000,
  },
});
