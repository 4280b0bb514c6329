import { expect, it } from "vitest";
import { CHANGED, Stack } from "./stack";

const stack = new Stack();

it("make up leaves the checkout as it was", () => {
  expect(stack.firstUp.changed).toBe("");
});

it("make preview of a stack that was never deployed leaves its file as it was", async () => {
  await stack.run("make", ["preview", "STACK=gpu"]);
  const { stdout } = await stack.run("git", [...CHANGED, "Pulumi.gpu.yaml"]);
  expect(stdout).toBe("");
  await stack.run("pulumi", ["stack", "rm", "gpu", "--yes", "--preserve-config", "--non-interactive"]);
});
