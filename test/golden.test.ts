/** Every resource of each stack, as the mocks see it. `npm run golden` writes the files anew; their diff is the review. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { goldenText } from "./golden";
import type { RecordedResource } from "./mocks";
import { declareProgram, stackConfig } from "./program";

const STACKS = ["dev", "cpu", "gpu", "native"];
/** What a person may set in a stack's file for one machine. */
const OF_THE_MACHINE = ["cp-whisperx:baseImages", "cp-whisperx:registry"];

const folder = mkdtempSync(path.join(tmpdir(), "golden-"));
const certificates = path.join(folder, "certificates.pem");
writeFileSync(certificates, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
afterAll(() => { rmSync(folder, { recursive: true }); });

it.each(STACKS)("stack %s declares what its golden file says", async (stack) => {
  const config = Object.entries(stackConfig(stack)).filter(([key]) => !OF_THE_MACHINE.includes(key));
  const resources = await declareProgram(stack, { ...Object.fromEntries(config), "cp-whisperx:certificates": certificates });
  await expect(goldenText(resources)).toMatchFileSnapshot(`golden/${stack}.json`);
});

describe("goldenText", () => {
  const image = (hash: string, digest: string): RecordedResource => ({
    type: "docker-build:index:Image",
    name: "base",
    inputs: { tags: ["host/base:cpu", `host/base:cpu-${hash}`], platforms: ["linux/amd64"] },
    digest: `sha256:${digest.repeat(64)}`,
    options: {},
    parent: "",
    aliases: [],
  });
  const service = (digest: string, memory: number): RecordedResource => ({
    type: "docker:index/container:Container",
    name: "asr",
    inputs: { memory, image: `host/base@sha256:${digest.repeat(64)}`, folder: path.join(__dirname, "..", "films") },
    options: {},
    parent: "",
    aliases: [],
  });

  it("does not see an edit of an image's sources, the place of the checkout or the order of declaration", () => {
    const before = goldenText([image("0123456789ab", "a"), service("a", 64)]);
    expect(goldenText([service("b", 64), image("ba9876543210", "b")])).toBe(before);
    expect(before).toContain("<checkout>/films");
    expect(before).toContain("host/base@<digest of base>");
  });

  it("sees every other input, and names a digest that is no image's of the stack", () => {
    expect(goldenText([service("a", 64)])).not.toBe(goldenText([service("a", 128)]));
    expect(goldenText([service("a", 64)])).toContain(`sha256:${"a".repeat(64)}`);
  });
});
