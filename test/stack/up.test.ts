import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { docker, expectOutput } from "./command";
import { images, services, Stack, STACK } from "./stack";

const stack = new Stack();
const NOTHING_CHANGED = /Resources:\s+\d+ unchanged\s+Duration/;

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
  expectOutput(await stack.pulumi(["preview", "--expect-no-changes"]), /\d+ unchanged/);
});

it("a second make up changes nothing and touches no container", async () => {
  const before = await startTimes();
  const jobs = stack.jobs();
  expectOutput(await stack.make("up"), NOTHING_CHANGED);
  expect(await startTimes()).toBe(before);
  expect(stack.jobs()).toEqual(jobs);
});

it("the second of two concurrent ups fails and changes nothing", async () => {
  const up = async () => stack.make("up", [], { expected: "either" });
  const [one, other] = await Promise.all([up(), up()]);
  const [done, refused] = one.code === 0 ? [one, other] : [other, one];
  expectOutput(done, NOTHING_CHANGED);
  expectOutput(refused, new RegExp(`another command already works on the stack ${STACK} \\(process \\d+\\)`));
});

it("make down removes only containers and networks; make up recreates them, and refills a lost model cache", async () => {
  const jobs = stack.jobs();
  const before = await stack.deployment();
  await stack.make("down");
  const left = await docker(["ps", "--all", "--quiet", "--filter", `label=cp-whisperx.stack=${STACK}`]);
  expect(left.stdout).toBe("");
  const volumes = await docker(["volume", "ls", "--format", "{{.Name}}"]);
  expect(volumes.stdout.split("\n")).toContain(stack.containerName("model-cache"));
  await docker(["volume", "rm", stack.containerName("model-cache")]);
  expectOutput(await stack.make("up"), /models: \/models: [1-9]\d* files there, [1-9]\d* of them copied now/);
  const after = await stack.deployment();
  expect(after.digests).toEqual(before.digests);
  expect(Object.keys(after.containers).sort()).toEqual([...services].sort());
  expect(stack.jobs()).toEqual(jobs);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});

it("make up recreates a container that was removed by hand, and only that one", async () => {
  const before = await stack.deployment();
  await docker(["rm", "--force", stack.containerName("tmdb")]);
  await stack.make("up");
  const after = await stack.deployment();
  const changed = services.filter((service) => before.containers[service] !== after.containers[service]);
  expect(changed).toEqual(["tmdb"]);
});
