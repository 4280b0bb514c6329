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
  readonly Config: { readonly Env: string[]; readonly Labels: Record<string, string> } & Record<string, unknown>;
  readonly HostConfig: Record<string, unknown>;
  readonly Mounts: Record<string, unknown>[];
  readonly NetworkSettings: { readonly Networks: object };
}

beforeAll(() => { copyFileSync(stack.path(`Pulumi.${STACK}.yaml`), stack.path(`Pulumi.${OTHER}.yaml`)); });
afterAll(() => {
  rmSync(stack.path(`Pulumi.${OTHER}.yaml`));
  rmSync(folder, { recursive: true, force: true });
});

/** Builds everything from the deployed parents; returns the digests by image. Pushes nothing. */
async function bake(references: Readonly<Record<string, { reference: string }>>): Promise<[image: string, digest: unknown][]> {
  const { target } = JSON.parse(readFileSync(`${folder}/docker-bake.json`, "utf8")) as { target: Record<string, { contexts: object }> };
  // A step on a linked target has another cache key than the same step on an image by digest.
  const parents = Object.entries(target).flatMap(([name, { contexts }]) =>
    Object.keys(contexts).flatMap((parent) => ["--set", `${name}.contexts.${parent}=docker-image://${references[parent]?.reference}`]),
  );
  const only = ["--set", "*.output=type=image,push=false", "--set", "*.cache-to="];
  await docker(["buildx", "bake", ...BUILDER, "--metadata-file", "built.json", ...only, ...parents], { cwd: folder });
  const built = JSON.parse(readFileSync(`${folder}/built.json`, "utf8")) as Record<string, Record<string, unknown>>;
  return Object.keys(target).map((name) => [name, built[name]?.["containerimage.digest"]]);
}

it("bake builds the deployed digests from the deployed parents", async () => {
  await stack.make("export", [`TO=${folder}`]);
  const { stdout } = await stack.pulumi(["stack", "output", "images", "--json"]);
  const deployed = JSON.parse(stdout) as Record<string, { reference: string; digest: string }>;
  let missing = Object.keys(deployed);
  // The builder may have several copies of a layer, from earlier builds of the same files, and takes any of them.
  for (let build = 0; build < 10 && missing.length > 0; build++) {
    const digests = Object.fromEntries(await bake(deployed));
    expect(Object.keys(digests).sort()).toEqual(Object.keys(deployed).sort());
    missing = missing.filter((name) => digests[name] !== deployed[name]?.digest);
  }
  expect(missing).toEqual([]);
});

/** The fields that are set; whether Docker's client waits for the output of a container is no property of it. */
function fields(values: Record<string, unknown>, ...without: string[]): object {
  const isSet = (value: unknown): boolean => (typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value));
  const left = Object.entries(values).filter(([key, value]) => ![...without, "AttachStdout", "AttachStderr"].includes(key) && isSet(value));
  return Object.fromEntries(left);
}

const byDestination = (one: { Destination: unknown }, other: { Destination: unknown }): number => String(one.Destination).localeCompare(String(other.Destination));

/** What the containers are and may do, under the names of the stack under test. */
async function facts(names: readonly string[]): Promise<unknown> {
  const { stdout } = await docker(["inspect", ...names]);
  const containers = JSON.parse(stdout.replaceAll(OTHER, STACK)) as Inspected[];
  return containers.map(({ Image, Config, HostConfig, Mounts, NetworkSettings }) => ({
    image: Image,
    // CP_WHISPERX_IMAGE has a tag here, and a digest there.
    environment: Config.Env.filter((one) => !one.startsWith("CP_WHISPERX_IMAGE=")).sort(),
    labels: Object.fromEntries(Object.entries(Config.Labels).filter(([label]) => !label.startsWith("com.docker.compose."))),
    config: fields(Config, "Image", "Env", "Labels"),
    host: fields(HostConfig, "Binds", "Mounts", "NetworkMode"),
    mounts: Mounts.map(({ Type, Source, Destination, RW, Propagation }) => ({ Type, Source, Destination, RW, Propagation })).sort(byDestination),
    networks: Object.keys(NetworkSettings.Networks),
  }));
}

const hasCompose = spawnSync("docker", ["compose", "version"]).status === 0;

it("Compose creates the containers that are deployed", async ({ skip }) => {
  skip(!hasCompose, "docker compose is not installed, and make up does not install it");
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
