import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { descendants } from "../test/descendants";
import { mockPulumi, settled, type RecordedResource } from "../test/mocks";
import { randomStack } from "../test/random-catalog";
import { Images } from ".";
import { SCRATCH, type CatalogImage } from "../catalog";
import type { ImageDefinition } from "./definitions";
import { buildArgument } from "./dockerfile";
import { stackNodes, type Wanted } from "./plan";

const DIGEST = /^\S+@sha256:[0-9a-f]{64}$/;
const BASE_IMAGES = { cpu: `registry/python@sha256:${"0".repeat(64)}`, cuda: `registry/cuda@sha256:${"1".repeat(64)}` };

/** What the images of these tests have in common. */
const RUNS = { description: "", variants: ["cpu"], uses: [], network: false, service: { memoryMegabytes: 1 } } as const;

const unchanged = (dockerfile: string): string => dockerfile;

/** Writes the Dockerfiles of which the definitions come, each as `edit` leaves it. */
function writeSources(folder: string, definitions: readonly ImageDefinition[], edit: (dockerfile: string, name: string) => string): void {
  for (const { name, parent, uses, network } of definitions) {
    const images = [...(parent === SCRATCH ? [] : ["BASE_IMAGE"]), ...uses.map(buildArgument)].map((argument) => `ARG ${argument}\n`);
    const secret = network ? "RUN --mount=type=secret,id=ca true\n" : "";
    mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(folder, name, "Dockerfile"), edit(`${images.join("")}FROM scratch\n${secret}`, name));
  }
}

/** An image's row in the catalogue; its Dockerfile has the rest. */
function row({ name, description, parent, parentOfVariant, variants, service }: CatalogImage): CatalogImage {
  return { name, description, parent, parentOfVariant, variants, service };
}

/** The image resources of a catalogue, as the engine sees them. */
async function declare(
  folder: string,
  catalog: readonly CatalogImage[],
  { variant, images }: Wanted,
  certificates = "-----BEGIN CERTIFICATE-----",
): Promise<RecordedResource[]> {
  const recorded = await mockPulumi("test");
  const where = { registry: "127.0.0.1:5000", namespace: "test", builder: "builder" };
  new Images("images", {
    settings: { ...where, variant, platform: "linux/amd64", baseImages: BASE_IMAGES },
    wanted: images,
    certificates,
    catalog: catalog.map(row),
    sources: folder,
    staging: path.join(folder, "staged"),
  });
  await settled();
  return recorded.filter(({ type }) => type === "docker-build:index:Image");
}

async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "hierarchy-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const changedNames = (before: RecordedResource[], after: RecordedResource[]): string[] =>
  before
    .filter(({ name, inputs }) => {
      const other = after.find((resource) => resource.name === name);
      return JSON.stringify(inputs) !== JSON.stringify(other?.inputs);
    })
    .map(({ name }) => name)
    .sort();

// Each of the random stacks is written to disk and declared twice, which takes its time on a busy machine.
describe("Images", () => {
  it("changes exactly the nodes of the edited image and their descendants, in any hierarchy and variant", async () => {
    await fc.assert(
      fc.asyncProperty(randomStack, fc.nat(), async ({ catalog, wanted }, pick) => {
        await inTemporaryFolder(async (folder) => {
          const edited = catalog[pick % catalog.length]?.name ?? "";
          writeSources(folder, catalog, unchanged);
          const before = await declare(folder, catalog, wanted);
          writeSources(folder, catalog, (dockerfile, name) => (name === edited ? `${dockerfile}LABEL edited=yes\n` : dockerfile));
          const after = await declare(folder, catalog, wanted);
          const nodes = stackNodes(catalog, wanted);
          const reached = nodes
            .filter(({ definition }) => definition.name === edited)
            .flatMap(({ name }) => [...descendants(nodes, name)]);
          expect(changedNames(before, after)).toEqual([...new Set(reached)].sort());
        });
      }),
      { numRuns: 40 },
    );
  });

  it("changes nothing for a comment in a Dockerfile", async () => {
    await fc.assert(
      fc.asyncProperty(randomStack, async ({ catalog, wanted }) => {
        await inTemporaryFolder(async (folder) => {
          writeSources(folder, catalog, unchanged);
          const before = await declare(folder, catalog, wanted);
          writeSources(folder, catalog, (dockerfile) => `# why\n${dockerfile}# and how\n`);
          expect(changedNames(before, await declare(folder, catalog, wanted))).toEqual([]);
        });
      }),
      { numRuns: 20 },
    );
  });

  it("refers to every image by digest, builds only in up, and keeps one cache per image", async () => {
    await fc.assert(
      fc.asyncProperty(randomStack, async ({ catalog, wanted }) => {
        await inTemporaryFolder(async (folder) => {
          writeSources(folder, catalog, unchanged);
          const images = await declare(folder, catalog, wanted);
          expect(images.map(({ name }) => name).sort()).toEqual(stackNodes(catalog, wanted).map(({ name }) => name).sort());
          const caches = images.map(({ inputs }) => JSON.stringify(inputs.cacheTo));
          expect(new Set(caches).size).toBe(images.length);
          for (const { inputs } of images) {
            for (const [argument, value] of Object.entries(inputs.buildArgs as Record<string, string>)) {
              if (argument !== "VARIANT") expect(value).toMatch(DIGEST);
            }
            expect(inputs).toMatchObject({ push: true, buildOnPreview: false });
            // The tag names the very folder that is built.
            const { tags, context } = inputs as { tags: string[]; context: { location: string } };
            expect(tags[1]?.split("-").at(-1)).toBe(context.location.split("-").at(-1));
            const { secrets, ...visible } = inputs;
            expect(JSON.stringify(visible)).not.toContain("BEGIN CERTIFICATE");
            expect(JSON.stringify(secrets ?? {})).not.toContain("undefined");
          }
        });
      }),
      { numRuns: 20 },
    );
  });

  it("passes VARIANT to an image of several variants, and uses the base image for that hardware", async () => {
    const catalog: ImageDefinition[] = [
      { ...RUNS, name: "both", parent: "external", variants: ["cpu", "cuda"] },
      { ...RUNS, name: "light", parent: "both" },
    ];
    await inTemporaryFolder(async (folder) => {
      writeSources(folder, catalog, unchanged);
      const images = await declare(folder, catalog, { variant: "cuda", images: [] });
      const inputs = Object.fromEntries(images.map((image) => [image.name, image.inputs]));
      expect(inputs.both?.buildArgs).toEqual({ BASE_IMAGE: BASE_IMAGES.cpu, VARIANT: "cpu" });
      expect(inputs["both-cuda"]?.buildArgs).toEqual({ BASE_IMAGE: BASE_IMAGES.cuda, VARIANT: "cuda" });
      expect(inputs.light?.buildArgs).toEqual({ BASE_IMAGE: expect.stringMatching(DIGEST) as string });
      expect(inputs["both-cuda"]?.context).toEqual(inputs.both?.context);
    });
  });

  it("passes the secret ca to a build with network access on every host, because the provider rebuilds if it appears or disappears", async () => {
    const catalog: ImageDefinition[] = [
      { ...RUNS, name: "online", parent: "external", network: true },
      { ...RUNS, name: "offline", parent: "online" },
    ];
    await inTemporaryFolder(async (folder) => {
      writeSources(folder, catalog, unchanged);
      const [online, offline] = await declare(folder, catalog, { variant: "cpu", images: [] }, "");
      expect(online?.inputs).toMatchObject({ secrets: { value: { ca: "" } }, ignoreSecretsInDiffCalculation: ["ca"] });
      expect(offline?.inputs).not.toHaveProperty("secrets");
    });
  });
});
