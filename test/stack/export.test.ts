/** `make export`: what bake builds and Compose starts from it is what is deployed. */
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { docker } from "./command";
import { services, Stack, STACK } from "./stack";

const stack = new Stack();
const folder = stack.sibling("export");
const BUILDER = ["--builder", "cp-whisperx", "--file", "docker-bake.json"];
/** The same settings under another name, for containers beside the deployed ones. */
const OTHER = `${STACK}-exported`;

interface Inspected {
  readonly Image: string;
  readonly Config: Record<string, unknown> & { readonly Env: string[]; readonly Labels: Record<string, string> };
  readonly HostConfig: Record<string, unknown>;
  readonly Mounts: Record<string, unknown>[];
  readonly NetworkSettings: { readonly Networks: object };
}

beforeAll(() => { copyFileSync(stack.path(`Pulumi.${STACK}.yaml`), stack.path(`Pulumi.${OTHER}.yaml`)); });
afterAll(() => {
  rmSync(stack.path(`Pulumi.${OTHER}.yaml`));
  rmSync(folder, { recursive: true, force: true });
});

it("bake builds the deployed digests from the deployed parents", async () => {
  await stack.make("export", [`TO=${folder}`]);
  const { stdout } = await stack.pulumi(["stack", "output", "images", "--json"]);
  const deployed = JSON.parse(stdout) as Record<string, { reference: string; digest: string }>;
  const { target } = JSON.parse(readFileSync(`${folder}/docker-bake.json`, "utf8")) as { target: Record<string, { contexts: object }> };
  // A link to a target gives each step after FROM another cache key than an image with the same content.
  const parents = Object.entries(target).flatMap(([name, { contexts }]) =>
    Object.keys(contexts).flatMap((parent) => ["--set", `${name}.contexts.${parent}=docker-image://${deployed[parent]?.reference}`]),
  );
  const only = ["--set", "*.output=type=image,push=false", "--set", "*.cache-to="];
  await docker(["buildx", "bake", ...BUILDER, "--metadata-file", "built.json", ...only, ...parents], { cwd: folder });
  const built = JSON.parse(readFileSync(`${folder}/built.json`, "utf8")) as Record<string, Record<string, unknown>>;
  const digests = Object.keys(target).map((name) => [name, built[name]?.["containerimage.digest"]]);
  expect(Object.fromEntries(digests)).toEqual(Object.fromEntries(Object.entries(deployed).map(([name, { digest }]) => [name, digest])));
});

/** What a container may do and see, under the names of the stack under test. */
async function facts(names: readonly string[]): Promise<unknown> {
  const { stdout } = await docker(["inspect", ...names]);
  const containers = JSON.parse(stdout.replaceAll(OTHER, STACK)) as Inspected[];
  return containers.map(({ Image, Config, HostConfig, Mounts, NetworkSettings }) => ({
    Image,
    // A tag here, a digest there.
    Config: { ...Config, Image: "", Env: Config.Env.filter((one) => !one.startsWith("CP_WHISPERX_IMAGE=")).sort(), Labels: ownLabels(Config.Labels) },
    HostConfig: { ...HostConfig, Binds: "", Mounts: "" },
    Mounts: Mounts.map(({ Type, Source, Destination, RW, Propagation }) => ({ Type, Source, Destination, RW, Propagation })).sort(byDestination),
    networks: Object.keys(NetworkSettings.Networks),
  }));
}

const ownLabels = (labels: Record<string, string>): object =>
  Object.fromEntries(Object.entries(labels).filter(([label]) => !label.startsWith("com.docker.compose.")));
const byDestination = (one: { Destination: unknown }, other: { Destination: unknown }): number => String(one.Destination).localeCompare(String(other.Destination));

const hasCompose = spawnSync("docker", ["compose", "version"]).status === 0;

it.runIf(hasCompose)("Compose creates the containers that are deployed", async () => {
  await stack.make("export", [`STACK=${OTHER}`, `TO=${folder}`]);
  const compose = ["compose", "--file", `${folder}/compose.yaml`];
  try {
    await docker([...compose, "create", "--pull", "missing"]);
    const names = (name: string): string[] => services.map((service) => `cp-whisperx-${name}-${service}`);
    expect(await facts(names(OTHER))).toEqual(await facts(names(STACK)));
  } finally {
    await docker([...compose, "down", "--volumes"]);
  }
});
