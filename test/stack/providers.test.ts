/**
 * Known complaints about the providers (test/providers/README.md), tested with the real ones: two small images of a separate
 * catalogue, with the stack's builder and registry.
 */
import { cpSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { LocalWorkspace, type Stack as PulumiStack } from "@pulumi/pulumi/automation";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Images } from "../../images";
import { CATALOG, writeSources } from "../providers/images";
import { UnauthorizedRegistry } from "../providers/unauthorized-registry";
import { command, docker } from "./command";
import { REGISTRY, Stack, STACK } from "./stack";

const BUILDER = "cp-whisperx";
const NAMESPACE = `${STACK}-providers`;
const MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
/** Change summary of a preview without changes. */
const NOTHING = { same: expect.any(Number) as number };

const root = mkdtempSync(path.join(tmpdir(), "providers-"));
const registry = new UnauthorizedRegistry(root, REGISTRY);
let stack: PulumiStack;

/** The stack in the checkout of that name. Changes the working directory to it, as Pulumi does. */
async function stackIn(checkout: string, env: Record<string, string> = {}): Promise<PulumiStack> {
  const workDir = path.join(root, checkout);
  process.chdir(workDir);
  const program = async (): Promise<Record<string, unknown>> => {
    const where = { registry: registry.address, namespace: NAMESPACE, builder: BUILDER };
    const { built } = new Images("images", {
      settings: { ...where, variant: "cpu", platform: "linux/amd64", baseImages: { cpu: "" } },
      wanted: [],
      certificates: "",
      catalog: CATALOG,
    });
    return Promise.resolve(Object.fromEntries(Object.entries(built).map(([name, { reference }]) => [name, reference])));
  };
  return LocalWorkspace.createOrSelectStack(
    { stackName: "complaints", projectName: "providers", program },
    {
      workDir,
      projectSettings: { name: "providers", runtime: "nodejs", backend: { url: `file://${root}` } },
      envVars: { PULUMI_CONFIG_PASSPHRASE: "none", PULUMI_SKIP_UPDATE_CHECK: "true", SSL_CERT_FILE: registry.certificate, ...env },
    },
  );
}

async function manifest(name: "parent" | "child", method: "HEAD" | "DELETE"): Promise<number> {
  const reference = (await stack.outputs())[name]?.value as string;
  const digest = reference.split("@")[1] ?? "";
  const address = `http://${REGISTRY}/v2/${NAMESPACE}/cp-whisperx-app-${name}/manifests/${digest}`;
  return (await fetch(address, { method, headers: { accept: MANIFESTS } })).status;
}

const source = (name: "parent" | "child", file: string): string => path.join(root, "checkout", "docker", name, file);

const home = process.cwd();
beforeAll(async () => {
  await registry.start();
  writeSources(path.join(root, "checkout"));
  stack = await stackIn("checkout");
  await stack.up();
});
afterAll(async () => {
  process.chdir(home);
  await registry.stop();
  rmSync(root, { recursive: true });
});

it("pulumi-docker-build#222: an image is not always out of date", async () => {
  utimesSync(source("parent", "Dockerfile"), 1, 1);
  rmSync(path.join(root, "checkout", "build"), { recursive: true });
  expect((await stack.preview()).changeSummary).toEqual(NOTHING);
});

it("pulumi-docker-build#979: another umask changes nothing; pulumi-docker-build#358: another machine changes nothing", async () => {
  cpSync(path.join(root, "checkout", "docker"), path.join(root, "runner", "docker"), { recursive: true });
  await command("chmod", ["--recursive", "go=", path.join(root, "runner")]);
  const runner = await stackIn("runner", { DOCKER_HOST: "unix:///nowhere", HOME: root, TZ: "Asia/Tokyo" });
  expect((await runner.preview()).changeSummary).toEqual(NOTHING);
  stack = await stackIn("checkout");
});

it("pulumi-docker-build#738: a preview has no build log; pulumi#7181: nothing changes after a build with the same digest", async () => {
  writeFileSync(source("parent", "unread.txt"), "edited\n");
  const { stdout, changeSummary } = await stack.preview({ diff: true });
  expect(stdout).toContain("docker-build:index:Image: (update)");
  expect(stdout).not.toMatch(/^\s*#\d+ /m);
  expect(changeSummary).toMatchObject({ update: 2 });
  expect((await stack.up()).summary.resourceChanges).toMatchObject({ update: 1 });
});

it("pulumi-docker-build#930: refresh keeps an image if its registry answers 401", async () => {
  await stack.refresh();
  expect(registry.refused).toBeGreaterThan(0);
  expect((await stack.preview()).changeSummary).toEqual(NOTHING);
});

it("pulumi-docker-build#581, pulumi-docker-build#606: a replacement with the same digest leaves the pushed image", async () => {
  const { resources } = (await stack.exportStack()).deployment as { resources: { urn: string }[] };
  const replace = resources.map(({ urn }) => urn).filter((urn) => urn.endsWith("docker-build:index:Image::parent"));
  expect((await stack.up({ replace })).summary.resourceChanges).toMatchObject({ replace: 1 });
  expect(await manifest("parent", "HEAD")).toBe(200);
  // The provider's own deletion would have succeeded.
  expect(await manifest("parent", "DELETE")).toBe(202);
});

/** Builds four steps of a second each; returns start and end of each in nanoseconds. */
async function buildSteps(build: string): Promise<[number, number][]> {
  const { stdout } = await docker(["inspect", "--format", "{{.Config.Image}}", new Stack().containerName("demux")]);
  const steps = ["1", "2", "3", "4"].map((step) => [
    `FROM ${stdout.trim()} AS step${step}`,
    `RUN began=$(date +%s%N); sleep 1; echo $began $(date +%s%N) # ${build} ${step} ${Date.now()}`,
  ]);
  const copies = steps.map((_, index) => `COPY --from=step${index + 1} /etc/hostname /${index}`);
  const dockerfile = [...steps.flat(), "FROM scratch", ...copies].join("\n");
  const options = ["--builder", BUILDER, "--progress", "plain", "--file", "-"];
  const { output } = await docker(["buildx", "build", ...options, path.join(root, "checkout", "docker")], { input: dockerfile });
  return [...output.matchAll(/ (\d{19}) (\d{19})$/gm)].map(([, began, ended]) => [Number(began), Number(ended)]);
}

it("pulumi-docker#496: however many images are built at once, at most four steps run", async () => {
  const steps = (await Promise.all(["one", "other"].map(buildSteps))).flat();
  expect(steps).toHaveLength(8);
  const running = steps.map(([began]) => steps.filter(([from, to]) => from <= began && began < to).length);
  expect(Math.max(...running)).toBeGreaterThan(1);
  expect(Math.max(...running)).toBeLessThanOrEqual(4);
});
