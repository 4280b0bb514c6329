/** Each test edits on top of what is deployed; `each.ts` puts everything back for the next file. */
import { appendFileSync, rmSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { descendants } from "../../images/plan";
import { addStage, NEW_STAGE } from "../new-stage/add";
import { docker, expectSays } from "./command";
import { images as built, SAMPLE, services, Stack, type Deployment } from "./stack";

const stack = new Stack();
afterAll(() => { rmSync(stack.path("docker", NEW_STAGE), { recursive: true, force: true }); });

const servicesAmong = (images: Iterable<string>): string[] => [...images].filter((name) => services.includes(name)).sort();

function changed(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): string[] {
  return Object.keys(after).filter((name) => before[name] !== after[name]).sort();
}

/** Previews and carries out the edit; the preview must have said exactly what then happened. */
async function previewAndUp(): Promise<{ images: string[]; containers: string[]; before: Deployment }> {
  const before = await stack.deployment();
  const preview = await stack.preview();
  await stack.up();
  const after = await stack.deployment();
  const images = changed(before.digests, after.digests);
  const containers = changed(before.containers, after.containers);
  expect(preview.images).toEqual(images);
  expect(preview.containers).toEqual(containers);
  return { images, containers, before };
}

/** The layers of an image, as its configuration in the engine lists them. */
async function layers(service: string): Promise<string[]> {
  const { stdout } = await docker(["inspect", "--format", "{{.Image}}", stack.containerName(service)]);
  const image = await docker(["image", "inspect", "--format", "{{json .RootFS.Layers}}", stdout.trim()]);
  return JSON.parse(image.stdout) as string[];
}

it("one line of one stage's program: that image alone is built, that container alone replaced", async () => {
  stack.edit("docker/lyrics-detection/lyrics_detection.py", (content) => `${content}\nEDITED = True\n`);
  const { images, containers } = await previewAndUp();
  expect(images).toEqual(["lyrics-detection"]);
  expect(containers).toEqual(["lyrics-detection"]);
});

it("a new stage, by the steps of the README: every stage keeps all layers but its last two, and the new one works", async () => {
  const stages = services.filter((name) => name !== "queue");
  const before = new Map(await Promise.all(stages.map(async (name) => [name, await layers(name)] as const)));
  addStage(stack.path(), (file, change) => stack.edit(file, change));
  const { images, containers } = await previewAndUp();
  expect(images).toEqual([...descendants(built, "common"), NEW_STAGE].sort());
  expect(containers).toEqual([...stages, NEW_STAGE].sort());
  for (const name of stages) {
    const [old, now] = [before.get(name) ?? [], await layers(name)];
    expect(now).toHaveLength(old.length);
    expect(now.slice(0, -2), name).toEqual(old.slice(0, -2));
  }

  const cut = ["ffmpeg", "-v", "error", "-ss", "8", "-i", `/films/in/${SAMPLE}`, "-t", "14", "-c", "copy", "/films/out/cut.mp4"];
  await docker(["exec", stack.containerName("demux"), ...cut]);
  stack.addFilm(stack.path("films", "out", "cut.mp4"), "Cut (2026).mp4");
  await stack.application(["submit", "--wait", "Cut (2026).mp4"]);
  const job = stack.jobs().find((folder) => folder.endsWith("cut-2026-1")) ?? "";
  expect(stack.result(job, NEW_STAGE).words).toBeGreaterThan(10);
});

it("one more requirement rebuilds that image and its descendants alone", async () => {
  const lock = "docker/base-spacy/requirements.lock";
  const requirement = [
    "colorama==0.4.6 \\",
    "    --hash=sha256:4f1d9991f5acc0ca119f9d443620b77f9d6b33703e51011c16baf57afb285fc6",
  ].join("\n");
  stack.edit(lock, (content) => `${content.trimEnd()}\n${requirement}\n`);
  const { images, containers } = await previewAndUp();
  const reached = descendants(built, "base-spacy");
  expect(images).toEqual([...reached].sort());
  expect(containers).toEqual(servicesAmong(reached));
});

it("a comment in a Dockerfile changes nothing at all, and a file that no build reads neither", async () => {
  stack.edit("docker/base/Dockerfile", (content) => `${content}\n# edited\n`);
  appendFileSync(stack.path("docker", "asr", "notes.txt"), "not in the context\n");
  const { images, containers } = await previewAndUp();
  expect([...images, ...containers]).toEqual([]);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});

it("a failed build leaves the others deployed, and the next up resumes", async () => {
  const before = await stack.deployment();
  const undo = stack.edit("docker/tmdb/Dockerfile", (content) => `${content}\nRUN exit 42\n`);
  stack.edit("docker/subtitle-gen/subtitle_gen.py", (content) => `${content}\nEDITED = True\n`);
  expectSays(await stack.up({ expected: "failure" }), "exit code: 42");
  const halfway = await stack.deployment();
  expect(changed(before.containers, halfway.containers)).toEqual(["subtitle-gen"]);
  undo();
  await stack.up();
  const after = await stack.deployment();
  expect(changed(before.digests, after.digests)).toEqual(["subtitle-gen"]);
  expect(changed(halfway.containers, after.containers)).toEqual([]);
});
