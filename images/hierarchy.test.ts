import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mockPulumi, settled, type RecordedResource } from "../test/mocks";
import { randomCatalog } from "../test/random-catalog";
import type { ImageDefinition } from "./catalog";
import { buildHierarchy } from "./hierarchy";
import { descendants } from "./plan";

const DIGEST = /^\S+@sha256:[0-9a-f]{64}$/;
const EXTERNAL_IMAGE = `registry/python@sha256:${"0".repeat(64)}`;

function writeSources(folder: string, catalog: readonly ImageDefinition[], dockerfile: (name: string) => string): void {
  for (const { name } of catalog) {
    mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(folder, name, "Dockerfile"), dockerfile(name));
  }
}

/** The image resources of a catalogue, as the engine sees them. */
async function declare(folder: string, catalog: readonly ImageDefinition[]): Promise<RecordedResource[]> {
  const recorded = await mockPulumi("test");
  buildHierarchy(
    {
      registry: "127.0.0.1:5000",
      namespace: "test",
      variant: "cpu",
      platform: "linux/amd64",
      builder: "builder",
      externalImage: EXTERNAL_IMAGE,
      certificates: "-----BEGIN CERTIFICATE-----",
      sources: folder,
      staging: path.join(folder, "staged"),
    },
    catalog,
  );
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

describe("buildHierarchy", () => {
  it("changes exactly the edited image and its descendants, in any hierarchy", async () => {
    await fc.assert(
      fc.asyncProperty(randomCatalog, fc.nat(), async (catalog, pick) => {
        await inTemporaryFolder(async (folder) => {
          const edited = catalog[pick % catalog.length]?.name ?? "";
          writeSources(folder, catalog, () => "FROM scratch\n");
          const before = await declare(folder, catalog);
          writeSources(folder, catalog, (name) => (name === edited ? "FROM scratch\nLABEL edited=yes\n" : "FROM scratch\n"));
          const after = await declare(folder, catalog);
          expect(changedNames(before, after)).toEqual([...descendants(catalog, edited)].sort());
        });
      }),
      { numRuns: 40 },
    );
  });

  it("changes nothing for a comment in a Dockerfile", async () => {
    await fc.assert(
      fc.asyncProperty(randomCatalog, async (catalog) => {
        await inTemporaryFolder(async (folder) => {
          writeSources(folder, catalog, () => "FROM scratch\n");
          const before = await declare(folder, catalog);
          writeSources(folder, catalog, () => "# why\nFROM scratch\n# and how\n");
          expect(changedNames(before, await declare(folder, catalog))).toEqual([]);
        });
      }),
      { numRuns: 20 },
    );
  });

  it("refers to every image by digest, builds only in up, and keeps one cache per image", async () => {
    await fc.assert(
      fc.asyncProperty(randomCatalog, async (catalog) => {
        await inTemporaryFolder(async (folder) => {
          writeSources(folder, catalog, () => "FROM scratch\n");
          const images = await declare(folder, catalog);
          expect(images).toHaveLength(catalog.length);
          const caches = images.map(({ inputs }) => JSON.stringify(inputs.cacheTo));
          expect(new Set(caches).size).toBe(images.length);
          for (const { inputs } of images) {
            for (const reference of Object.values(inputs.buildArgs as Record<string, string>)) {
              expect(reference).toMatch(DIGEST);
            }
            expect(inputs).toMatchObject({ push: true, buildOnPreview: false });
            const { secrets, ...visible } = inputs;
            expect(JSON.stringify(visible)).not.toContain("BEGIN CERTIFICATE");
            expect(JSON.stringify(secrets ?? {})).not.toContain("undefined");
          }
        });
      }),
      { numRuns: 20 },
    );
  });
});
