/** Each test edits on top of what is deployed; `each.ts` puts everything back for the next file. */
import { appendFileSync, rmSync } from "node:fs";
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { descendants } from "../descendants";
import { addStage, NEW_STAGE } from "../new-stage/add";
import { docker, expectOutput } from "./command";
import { closingLine, images as built, SAMPLE, services, Stack, STACK, type Deployment } from "./stack";

const stack = new Stack();
afterAll(() => { rmSync(stack.path("docker", NEW_STAGE), { recursive: true, force: true }); });

const servicesAmong = (images: Iterable<string>): string[] => [...images].filter((name) => services.includes(name)).sort();

function changed(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): string[] {
  return Object.keys(after).filter((name) => before[name] !== after[name]).sort();
}

/** Previews and deploys the edit; the preview must match what happened. */
async function previewAndUp(): Promise<{ images: string[]; containers: string[]; before: Deployment }> {
  const before = await stack.deployment();
  const preview = await stack.preview();
  const up = await stack.up();
  const after = await stack.deployment();
  const images = changed(before.digests, after.digests);
  const containers = changed(before.containers, after.containers);
  expect(preview.images).toEqual(images);
  expect(preview.containers).toEqual(containers);
  for (const line of [preview.closing, closingLine(up.output)]) {
    expect(named(line, "images", /rebuil[dt]|new/)).toEqual(preview.images);
    expect(named(line, "containers", /replaced|new/)).toEqual(containers);
  }
  return { images, containers, before };
}

/** The names after a word of the closing line, such as the rebuilt images. */
function named(line: string, kind: string, word: RegExp): string[] {
  const clause = new RegExp(`(?:^|; )${kind}: (.*?)(?=; [a-z]+: (?:unchanged|at most|\\d)|$)`).exec(line)?.[1] ?? "";
  const lists = [...clause.matchAll(new RegExp(`(?:${word.source}) \\(([^)]*)\\)`, "g"))].map(([, inside = ""]) => inside);
  return lists.flatMap((inside) => inside.split("; ")).flatMap((part) => part.replace(/: .*/, "").split(", ")).filter((name) => name !== "").sort();
}

/** The layers of an image in the engine. */
async function layers(service: string): Promise<string[]> {
  const { stdout } = await docker(["inspect", "--format", "{{.Image}}", stack.containerName(service)]);
  const image = await docker(["image", "inspect", "--format", "{{json .RootFS.Layers}}", stdout.trim()]);
  return JSON.parse(image.stdout) as string[];
}

it("one line of one stage's program builds only that image and replaces only that container", async () => {
  stack.edit("docker/lyrics-detection/lyrics_detection.py", (content) => `${content}\nEDITED = True\n`);
  const { images, containers } = await previewAndUp();
  expect(images).toEqual(["lyrics-detection"]);
  expect(containers).toEqual(["lyrics-detection"]);
});

it("a new stage, by the steps of docs/stages.md, works; every other stage keeps all but its last two layers", async () => {
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

it("one more requirement rebuilds only that image and its descendants", async () => {
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

it("neither a comment in a Dockerfile nor a file that no build reads changes anything", async () => {
  stack.edit("docker/base/Dockerfile", (content) => `${content}\n# edited\n`);
  appendFileSync(stack.path("docker", "asr", "notes.txt"), "not in the context\n");
  const { images, containers } = await previewAndUp();
  expect([...images, ...containers]).toEqual([]);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});

/** Puts a setting into the stack's file. */
function set(key: string, value: unknown): void {
  stack.edit(`Pulumi.${STACK}.yaml`, (content) => {
    const { config, ...rest } = parse(content) as { config: Record<string, unknown> };
    return stringify({ ...rest, config: { ...config, [`cp-whisperx:${key}`]: value } });
  });
}

let edition = 0;
/** Edits of every kind. Each can be repeated, and changes the content each time. */
const edits: Readonly<Record<string, () => void>> = {
  comment: () => { stack.edit("docker/mux/Dockerfile", (content) => `${content}\n# edition ${++edition}\n`); },
  source: () => { stack.edit("docker/mux/mux.py", (content) => `${content}\nEDITION = ${++edition}\n`); },
  "parent's source": () => { stack.edit("docker/base-ffmpeg/Dockerfile", (content) => `${content}\nENV EDITION=${++edition}\n`); },
  "lock's line": () => { stack.edit("docker/tmdb/requirements.lock", (content) => `${content}\n# edition ${++edition}\n`); },
  setting: () => { set("stages", { "pre-ner": { PRE_NER_MAX_NAMES: 50 + ++edition } }); },
  "memory limit": () => { set("memoryMegabytes", { tmdb: 300 + ++edition }); },
};

it("after any combination of edits, only what the preview named changes, and up names what it changed", async () => {
  const some = fc.subarray(Object.keys(edits), { minLength: 2 });
  for (const names of fc.sample(some, { seed: 5, numRuns: 2 })) {
    for (const name of names) edits[name]?.();
    const before = await stack.deployment();
    const { closing } = await stack.preview();
    const done = closingLine((await stack.up()).output);
    const after = await stack.deployment();
    const rebuilt = named(done, "images", /rebuilt/);
    expect(named(closing, "images", /rebuild/), names.join()).toEqual(expect.arrayContaining(rebuilt));
    expect(rebuilt, names.join()).toEqual(expect.arrayContaining(changed(before.digests, after.digests)));
    const replaced = named(done, "containers", /replaced/);
    expect(named(closing, "containers", /replaced/), names.join()).toEqual(expect.arrayContaining(replaced));
    expect(replaced, names.join()).toEqual(changed(before.containers, after.containers));
  }
});

it("a failed build leaves the others deployed, and the next up resumes", async () => {
  const before = await stack.deployment();
  const undo = stack.edit("docker/tmdb/Dockerfile", (content) => `${content}\nRUN exit 42\n`);
  stack.edit("docker/subtitle-gen/subtitle_gen.py", (content) => `${content}\nEDITED = True\n`);
  expectOutput(await stack.up({ expected: "failure" }), "exit code: 42");
  const halfway = await stack.deployment();
  expect(changed(before.containers, halfway.containers)).toEqual(["subtitle-gen"]);
  undo();
  await stack.up();
  const after = await stack.deployment();
  expect(changed(before.digests, after.digests)).toEqual(["subtitle-gen"]);
  expect(changed(halfway.containers, after.containers)).toEqual([]);
});
