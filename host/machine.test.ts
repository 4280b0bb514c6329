import { describe, expect, it } from "vitest";
import { mockPulumi } from "../test/mocks";
import { deployedOutputs } from "./deployed";
import { checkHostUnchanged } from "./machine";

const [OLD, NEW] = ["ssh://me@gpu-1", "ssh://me@gpu-2"];

async function asked(host: string | undefined, deployed: Record<string, unknown>): Promise<void> {
  await mockPulumi("gpu", {}, { deployed });
  checkHostUnchanged({ stack: "gpu", host }, await deployedOutputs());
}

describe("checkHostUnchanged", () => {
  it.each([
    ["a first deployment", NEW, {}],
    ["the same machine", OLD, { services: {}, host: OLD }],
    ["this machine, as before", undefined, { services: {} }],
  ])("accepts %s", async (_, host, deployed) => {
    await expect(asked(host, deployed)).resolves.toBeUndefined();
  });

  it.each([
    ["from one machine to another", NEW, { services: {}, host: OLD }, `deployed on ${OLD}, and host names ${NEW}`, `config set host ${OLD} --stack gpu`],
    ["from this machine to another", NEW, { services: {} }, "deployed on the machine that deploys it", "config rm host --stack gpu"],
    ["from another machine to this one", undefined, { services: {}, host: OLD }, "host names the machine that deploys it", `config set host ${OLD}`],
  ])("rejects a move of a stack %s, and names both fixes", async (_, host, deployed, reason, fix) => {
    await expect(asked(host, deployed)).rejects.toThrow(reason);
    await expect(asked(host, deployed)).rejects.toThrow(fix);
    await expect(asked(host, deployed)).rejects.toThrow("copy Pulumi.gpu.yaml");
  });
});
