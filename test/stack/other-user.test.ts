import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { docker } from "./command";
import { SAMPLE, services, Stack, STACK } from "./stack";

/** A second stack with the images of the one under test, but with empty volumes and without its folders. */
const OTHER = `${STACK}-other-user`;
const USER = 2000;

const stack = new Stack();
const pulumi = (...args: string[]) => stack.run("pulumi", [...args, "--stack", OTHER, "--non-interactive"]);

async function remove(): Promise<void> {
  for (const [list, removal] of [["ps --all", "rm --force"], ["network ls", "network rm"], ["volume ls", "volume rm"]] as const) {
    const { stdout } = await docker([...list.split(" "), "--quiet", "--filter", `name=^cp-whisperx-${OTHER}-`]);
    const found = stdout.split("\n").filter((id) => id !== "");
    if (found.length > 0) await docker([...removal.split(" "), ...found]);
  }
}

beforeAll(async () => {
  await remove();
  const file = (name: string): string => stack.path(`Pulumi.${name}.yaml`);
  const { config } = parse(readFileSync(file(STACK), "utf8")) as { config: Record<string, unknown> };
  const films = { in: "films/other-user/in", out: "films/other-user/out", config: "samples/config" };
  writeFileSync(file(OTHER), stringify({ config: { ...config, "cp-whisperx:user": `${USER}:${USER}`, "cp-whisperx:films": films } }));
  await stack.run("pulumi", ["stack", "init", OTHER, "--non-interactive"]);
});

afterAll(async () => {
  await remove();
  await pulumi("stack", "rm", "--yes", "--force");
});

it("runs as another user from empty volumes: every service gets healthy, and the sample is subtitled", async () => {
  await pulumi("up", "--yes", "--skip-preview");
  const names = services.map((service) => `cp-whisperx-${OTHER}-${service}`);
  const { stdout } = await docker(["inspect", "--format", "{{.State.Health.Status}}", ...names]);
  expect(stdout.trim().split("\n")).toEqual(services.map(() => "healthy"));

  mkdirSync(stack.path("films", "other-user", "in"), { recursive: true });
  copyFileSync(stack.path("samples", SAMPLE), stack.path("films", "other-user", "in", SAMPLE));
  const demux = ["exec", `cp-whisperx-${OTHER}-demux`, "python", "-m", "cp_whisperx", "submit", "--wait", SAMPLE];
  const [, subtitles = ""] = /^subtitles: \/films\/out\/(.+\.srt)$/m.exec((await docker(demux)).stdout) ?? [];
  expect(statSync(stack.path("films", "other-user", "out", subtitles)).uid).toBe(USER);
  await pulumi("preview", "--expect-no-changes");
});
