import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { docker } from "./command";
import { images, services, Stack } from "./stack";

const stack = new Stack();

async function startTimes(): Promise<string> {
  const names = services.map((service) => stack.containerName(service));
  const { stdout } = await docker(["inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", ...names]);
  return stdout;
}

it("make up prints where the subtitles are, every image and every service", () => {
  const { output } = stack.firstUp;
  for (const label of ["subtitles", "film"]) {
    const file = new RegExp(`^${label}:\\s+(/.+)$`, "m").exec(output)?.[1] ?? "";
    expect(existsSync(file), `${label}: ${file}`).toBe(true);
  }
  for (const { name } of images) expect(output).toMatch(new RegExp(`^\\W*${name}\\W.*sha256:`, "m"));
  for (const service of services) expect(output).toMatch(new RegExp(`^\\W*${service}\\W.*healthy`, "m"));
});

it("a plain preview shows no change", async () => {
  expect((await stack.pulumi(["preview", "--expect-no-changes"])).output).toMatch(/\d+ unchanged/);
});

it("make up again changes nothing and touches no container", async () => {
  const before = await startTimes();
  const jobs = stack.jobs();
  const { output } = await stack.make("up");
  expect(output).toMatch(/Resources:\s+\d+ unchanged\s+Duration/);
  expect(await startTimes()).toBe(before);
  expect(stack.jobs()).toEqual(jobs);
});

it("of two ups at once one says so and changes nothing", async () => {
  const both = await Promise.all([stack.make("up", [], { accept: "any" }), stack.make("up", [], { accept: "any" })]);
  const [done, refused] = both.sort((one, other) => one.code - other.code);
  expect(done.code).toBe(0);
  expect(refused.code).not.toBe(0);
  expect(refused.output).toMatch(/another command already works on the stack test \(process \d+\)/);
});

it("make down removes containers and networks, make up brings them back; images, models and films stay", async () => {
  const jobs = stack.jobs();
  const before = await stack.deployment();
  await stack.make("down");
  const left = await docker(["ps", "--all", "--quiet", "--filter", "label=cp-whisperx.stack=test"]);
  expect(left.stdout).toBe("");
  const volumes = await docker(["volume", "ls", "--format", "{{.Name}}"]);
  expect(volumes.stdout).toContain("cp-whisperx-test-model-cache");
  await stack.make("up");
  const after = await stack.deployment();
  expect(after.digests).toEqual(before.digests);
  expect(Object.keys(after.containers).sort()).toEqual([...services].sort());
  expect(stack.jobs()).toEqual(jobs);
});

it("a model cache that was lost is filled again, before a stage needs it", async () => {
  await stack.make("down");
  await docker(["volume", "rm", "cp-whisperx-test-model-cache"]);
  const { output } = await stack.make("up");
  expect(output).toMatch(/models: \/models: [1-9]\d* files there, [1-9]\d* of them copied now/);
  const { output: again } = await stack.make("up");
  expect(again).toMatch(/Resources:\s+\d+ unchanged\s+Duration/);
});

it("make up repairs a container that was removed by hand, and only that one", async () => {
  const before = await stack.deployment();
  await docker(["rm", "--force", stack.containerName("tmdb")]);
  await stack.make("up");
  const after = await stack.deployment();
  const changed = services.filter((service) => before.containers[service] !== after.containers[service]);
  expect(changed).toEqual(["tmdb"]);
});
