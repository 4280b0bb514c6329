import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { docker, eventually, expectOutput } from "./command";
import { SAMPLE, services, Stack, STACK } from "./stack";

const stack = new Stack();
const sample = stack.path("samples", SAMPLE);

/** Start time of each service. */
async function starts(): Promise<string[]> {
  const names = services.map((service) => stack.containerName(service));
  return (await docker(["inspect", "--format", "{{.Name}} {{.State.StartedAt}}", ...names])).stdout.trim().split("\n");
}

let startsBefore: string[];

beforeAll(async () => {
  startsBefore = await starts();
  stack.writeFilm("empty.mp4", "");
  stack.writeFilm("text.mp4", "This is no film.\n".repeat(200));
  stack.writeFilm("truncated.mp4", readFileSync(sample).subarray(0, 200_000));
  const silent = ["-v", "error", "-y", "-i", `/films/in/${SAMPLE}`, "-an", "-c:v", "copy", "/films/out/silent.mp4"];
  await docker(["exec", stack.containerName("mux"), "ffmpeg", ...silent]);
  copyFileSync(stack.path("films", "out", "silent.mp4"), stack.path("films", "in", "silent.mp4"));
});

describe("a file that is not a film", () => {
  it.each([
    ["nowhere.mp4", /no film/i],
    ["../../etc/passwd", /no film|outside/i],
    ["empty.mp4", /empty/i],
    ["text.mp4", /not a readable film/i],
    ["truncated.mp4", /is truncated/],
    ["silent.mp4", /no audio/i],
  ])("%s is refused in words, and the stack goes on", async (name, message) => {
    const refused = await stack.application(["submit", "--wait", name], { expected: "failure" });
    expectOutput(refused, message);
    expect(refused.output).not.toContain("Traceback");
  });

  it("ends no worker, and leaves every service healthy", async () => {
    expect(await starts()).toEqual(startsBefore);
    await eventually("every service healthy", async () => (await stack.unhealthy()).length === 0 || undefined);
  });
});

it("subtitles a film with spaces, quotes and accents in its name, also from outside the films folder", async () => {
  const film = stack.path(`The "Missing" Letter's Été (2026).mp4`);
  copyFileSync(sample, film);
  expectOutput(await stack.make("film", [`FILM=${film}`]), ".srt");
});

it("make film without a film says how to name one", async () => {
  expectOutput(await stack.make("film", [], { expected: "failure" }), "FILM=");
});

it("a full disk is one error message, and leaves no partial result", async () => {
  const job = stack.sampleJob();
  const id = job.split("/").at(-1) ?? "";
  const image = (await docker(["inspect", "--format", "{{.Config.Image}}", stack.containerName("demux")])).stdout.trim();
  const script = [
    `cp -r /job/${id} /full/ && rm -r /full/${id}/demux && { cat /dev/zero > /full/filler 2>/dev/null || true; }`,
    `python -m demux run /full/${id} --force; echo exit $?; ls -A /full/${id}`,
  ].join("\n");
  const result = await docker([
    ...["run", "--rm", "--network", "none", "--user", "1000:1000", "--read-only", "--tmpfs", "/tmp"],
    ...["--mount", "type=tmpfs,target=/full,tmpfs-size=64m,tmpfs-mode=1777"],
    ...["--volume", `${stack.path("films", "in")}:/films/in:ro`, "--volume", `${job}:/job/${id}:ro`],
    ...["--entrypoint", "sh", image, "-c", script],
  ]);
  expectOutput(result, /no space|full/i, /^exit [1-9]/m);
  expect(result.output).not.toMatch(/\.partial|Traceback/);
});

it("a wrong setting is reported with its fix before anything happens", async () => {
  const settings = stack.path(`Pulumi.${STACK}.yaml`);
  const before = readFileSync(settings);
  await stack.pulumi(["config", "set", "logLevel", "loud"]);
  try {
    expectOutput(await stack.pulumi(["preview"], { expected: "failure" }), "cp-whisperx:logLevel", '"loud"', "one of DEBUG", "pulumi config set");
  } finally {
    writeFileSync(settings, before);
  }
});
