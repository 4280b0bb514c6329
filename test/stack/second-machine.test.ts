import { expect, it } from "vitest";
import { docker } from "./command";
import { Stack } from "./stack";

const stack = new Stack();

it("a machine with an empty engine and an empty builder gets every image from the registry, none built anew", async () => {
  const before = await stack.deployment();
  await stack.make("down");
  const { stdout } = await stack.pulumi(["stack", "output", "images", "--json"]);
  const images = Object.values(JSON.parse(stdout) as Record<string, { reference: string }>).map(({ reference }) => reference);
  for (const image of images) await docker(["image", "rm", "--force", image], { accept: "any" });
  await docker(["buildx", "prune", "--builder", "cp-whisperx", "--all", "--force"]);
  // The program's state goes too: what is left is what another machine has, the sources and the registry.
  await stack.pulumi(["state", "unprotect", "--all", "--yes"]);
  await docker(["volume", "rm", "--force", stack.containerName("model-cache")]);
  const state = await stack.pulumi(["stack", "export"]);
  expect(state.stdout).toContain("StageImage");
  await stack.pulumi(["stack", "rm", "--yes", "--force", "--preserve-config"]);
  await stack.make("up");
  // A layer that is installed anew has other times in it, and so another digest.
  expect((await stack.deployment()).digests).toEqual(before.digests);
  expect((await stack.pulumi(["preview", "--expect-no-changes"], { accept: "any" })).code).toBe(0);
});
