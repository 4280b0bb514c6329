/** Known complaints about the providers that need no provider to test. README.md in this folder has the list. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { hashContext, readContext, stageContext } from "../../images/context";
import { declareProgram, stackConfig } from "../program";
import { writeSources } from "./images";

let folder: string;
let sources: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "complaints-"));
  writeSources(folder);
  sources = path.join(folder, "docker", "parent");
});
afterEach(() => { rmSync(folder, { recursive: true }); });

it("pulumi-docker-build#979: the umask of the checkout does not change the context", () => {
  const staged = stageContext(readContext(sources), path.join(folder, "staged"), "parent");
  chmodSync(path.join(sources, "content"), 0o700);
  chmodSync(path.join(sources, "content", "run.sh"), 0o700);
  chmodSync(path.join(sources, "content", "file.txt"), 0o600);
  expect(stageContext(readContext(sources), path.join(folder, "staged"), "parent")).toBe(staged);
});

it("pulumi-docker-build#979: a preview fails if a Dockerfile is missing or cannot be read", () => {
  const dockerfile = path.join(sources, "Dockerfile");
  rmSync(dockerfile);
  expect(() => readContext(sources)).toThrow(`ENOENT: no such file or directory, open '${dockerfile}'`);
  mkdirSync(dockerfile);
  expect(() => readContext(sources)).toThrow("EISDIR");
});

it("pulumi-docker-build#980: no build has a named context; pulumi-docker#872: the hash of an image's context is its tag", async () => {
  const resources = await declareProgram("gpu", stackConfig("gpu"));
  const images = resources.filter(({ type }) => type === "docker-build:index:Image");
  expect(images.length).toBeGreaterThan(20);
  for (const { inputs } of images) {
    const { tags, context } = inputs as { tags: string[]; context: { location: string } };
    expect(Object.keys(context)).toEqual(["location"]);
    expect(tags[1]).toMatch(new RegExp(`:(cpu|cuda)-${hashContext(readContext(context.location))}$`));
  }
});

const root = path.join(__dirname, "..", "..");
const listed = [...readFileSync(path.join(__dirname, "README.md"), "utf8").matchAll(/^\| \[(\S+#\d+)\]/gm)];
const tested = ["test/providers/complaints.test.ts", "test/stack/providers.test.ts"]
  .flatMap((file) => readFileSync(path.join(root, file), "utf8").split("\n"))
  .filter((line) => line.startsWith("it("))
  .flatMap((line) => line.match(/\bpulumi[\w-]*#\d+/g) ?? []);

it("every complaint in the list has a test, and every test is in the list", () => {
  expect(listed.length).toBeGreaterThan(10);
  expect([...new Set(tested)].sort()).toEqual(listed.map(([, issue]) => issue).sort());
});
