/** Pulumi mocks that record every resource and derive a digest from what an image is built from. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

export interface RecordedResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

/** The manifest digest that a build of these inputs would have: a function of sources and references. */
function digestOf(inputs: Record<string, unknown>): string {
  const { tags, buildArgs } = inputs as { tags: string[]; buildArgs: unknown };
  return `sha256:${createHash("sha256").update(JSON.stringify([tags[1], buildArgs])).digest("hex")}`;
}

const outputs: Readonly<Record<string, (inputs: Record<string, unknown>) => object>> = {
  "docker-build:index:Image": (inputs) => ({ digest: digestOf(inputs), ref: "mocked" }),
  "command:local:Command": () => ({ stdout: "", stderr: "" }),
};

/** Installs the mocks; the returned list fills while resources are declared. */
export async function mockPulumi(stack: string): Promise<RecordedResource[]> {
  const recorded: RecordedResource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const values = inputs as Record<string, unknown>;
        recorded.push({ type, name, inputs: values });
        return { id: `${name}-id`, state: { ...values, ...outputs[type]?.(values) } };
      },
      call: ({ token }) => (token === "command:local:run" ? { stdout: "the-identity-of-a-volume" } : {}),
    },
    "cp-whisperx",
    stack,
    false,
  );
  return recorded;
}

/** Waits until every resource that was declared has been recorded. */
export async function settled(): Promise<void> {
  await pulumi.runtime.disconnect();
}
