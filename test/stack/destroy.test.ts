/** Plain Pulumi commands after resources were removed by hand, and the end of a stack. */
import { existsSync, rmSync } from "node:fs";
import { expect, it } from "vitest";
import { docker, expectOutput } from "./command";
import { services, Stack, STACK } from "./stack";

const stack = new Stack();
const [CACHE, QUEUE] = [stack.containerName("model-cache"), stack.containerName("queue")];

async function volumes(): Promise<string[]> {
  const { stdout } = await docker(["volume", "ls", "--format", "{{.Name}}"]);
  return stdout.split("\n").filter((name) => name.startsWith(`cp-whisperx-${STACK}-`)).sort();
}

it("pulumi up --refresh brings back a container that was removed by hand, and only that one", async () => {
  const before = await stack.deployment();
  await docker(["rm", "--force", stack.containerName("mux")]);
  await stack.pulumi(["up", "--refresh", "--yes", "--skip-preview"]);
  const after = await stack.deployment();
  expect(services.filter((service) => before.containers[service] !== after.containers[service])).toEqual(["mux"]);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});

it("pulumi refresh notices what was removed by hand, and the next up creates it", async () => {
  const before = await stack.deployment();
  await docker(["rm", "--force", stack.containerName("queue"), stack.containerName("mux")]);
  await docker(["volume", "rm", QUEUE]);
  await stack.pulumi(["refresh", "--yes", "--skip-preview"]);
  await stack.pulumi(["up", "--yes", "--skip-preview"]);
  const after = await stack.deployment();
  expect(services.filter((service) => before.containers[service] === after.containers[service])).toEqual(
    services.filter((service) => !["queue", "mux"].includes(service)),
  );
  expect(await volumes()).toContain(QUEUE);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});

it("pulumi destroy keeps models, queue and films; make up uses them again", async () => {
  const jobs = stack.jobs();
  await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
  const left = await docker(["ps", "--all", "--quiet", "--filter", `label=cp-whisperx.stack=${STACK}`]);
  expect(left.stdout).toBe("");
  expect(await volumes()).toEqual([CACHE, QUEUE]);
  expectOutput(await stack.make("up"), /models: \/models: [1-9]\d* files there, 0 of them copied now/);
  expect(stack.jobs()).toEqual(jobs);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});

it("make destroy DATA=yes removes models and queue, and names the films; make up recreates a removed film folder", async () => {
  const { output } = await stack.make("destroy", ["DATA=yes"]);
  expect(output).toContain(stack.path("films", "out"));
  expect(await volumes()).toEqual([]);
  rmSync(stack.path("films"), { recursive: true });
  expectOutput(await stack.make("up"), /models: \/models: [1-9]\d* files there, [1-9]\d* of them copied now/);
  expect(existsSync(stack.path("films", "in"))).toBe(true);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});
