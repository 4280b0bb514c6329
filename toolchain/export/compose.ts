/** The services of a stack as a file for `docker compose`. */
import { readFileSync } from "node:fs";
import * as path from "node:path";
import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { CONTAINER, VOLUME } from "../../host/deployed";
import { SOURCES } from "../../images/definitions";
import { imagesIn, type StackImage } from "./bake";
import { mapTexts, type Declared } from "./declared";
import { servicesOf, type Command } from "./docker-run";

type Container = pulumi.Unwrap<docker.ContainerArgs>;
type Fields = Record<string, unknown>;

const COMMAND = "command:local:Command";

/** Only Pulumi's provider reads these: how long it waits, and for what. Compose waits for `depends_on`. */
const nothing = (): Fields => ({});
const devices = ({ driver, capabilities, count, deviceIds }: NonNullable<Container["deviceRequests"]>[number]): Fields => ({
  driver,
  // Compose requires them; an engine that is given a driver ignores them.
  capabilities: capabilities ?? ["gpu"],
  ...(count === undefined ? {} : { count: count === -1 ? "all" : count }),
  ...(deviceIds === undefined ? {} : { device_ids: deviceIds }),
});

/** The fields of Compose for each input of a container. */
const FIELDS: { readonly [Key in keyof Container]: (value: NonNullable<Container[Key]>) => Fields } = {
  name: (name) => ({ container_name: name }),
  image: (image) => ({ image }),
  hostname: (hostname) => ({ hostname }),
  user: (user) => ({ user }),
  envs: (environment) => ({ environment }),
  labels: (labels) => ({ labels: Object.fromEntries(labels.map(({ label, value }) => [label, value])) }),
  mounts: (mounts) => ({ volumes: mounts.map(({ type, source, target, readOnly }) => ({ type, source, target, read_only: readOnly ?? false })) }),
  networksAdvanced: (networks) => ({ networks: Object.fromEntries(networks.map(({ name, aliases }) => [name, { aliases: aliases ?? [] }])) }),
  readOnly: (readOnly) => ({ read_only: readOnly }),
  tmpfs: (tmpfs) => ({ tmpfs: Object.entries(tmpfs).map(([folder, options]) => `${folder}:${options}`) }),
  capabilities: ({ drops = [], adds = [] }) => ({ cap_drop: drops, cap_add: adds }),
  securityOpts: (options) => ({ security_opt: options }),
  deviceRequests: (requests) => ({ deploy: { resources: { reservations: { devices: requests.map(devices) } } } }),
  shmSize: (megabytes) => ({ shm_size: `${megabytes}m` }),
  memory: (megabytes) => ({ mem_limit: `${megabytes}m` }),
  memorySwap: (megabytes) => ({ memswap_limit: `${megabytes}m` }),
  ulimits: (limits) => ({ ulimits: Object.fromEntries(limits.map(({ name, soft, hard }) => [name, { soft, hard }])) }),
  restart: (restart) => ({ restart }),
  logDriver: (driver) => ({ logging: { driver } }),
  logOpts: (options) => ({ logging: { options } }),
  healthcheck: ({ tests, interval, timeout, retries }) => ({ healthcheck: { test: tests, interval, timeout, retries } }),
  stopTimeout: (seconds) => ({ stop_grace_period: `${seconds}s` }),
  wait: nothing,
  waitTimeout: nothing,
  mustRun: nothing,
  destroyGraceSeconds: nothing,
};

/** The service for a container. @throws Error for an input that it would lose. */
export function composeService(inputs: Declared["inputs"]): Fields {
  const parts = Object.entries(inputs).map(([input, value]) => {
    const fields = FIELDS[input as keyof Container] as ((value: unknown) => Fields) | undefined;
    if (fields === undefined) throw new Error(`cannot export the input ${input} of a container; add it to FIELDS in toolchain/export/compose.ts`);
    return fields(value);
  });
  const logging = Object.assign({}, ...parts.map((part) => part.logging)) as Fields;
  return { ...(Object.assign({}, ...parts) as Fields), ...(Object.keys(logging).length > 0 ? { logging } : {}) };
}

/** The entrypoint of the image with this reference, as its Dockerfile says. */
function entrypointOf(images: readonly StackImage[], reference: string): string[] {
  const folder = images.find((image) => image.reference === reference)?.folder ?? "";
  const dockerfile = readFileSync(path.join(SOURCES, folder, "Dockerfile"), "utf8");
  return JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? "[]") as string[];
}

/** Services by name, each with what must be healthy or complete before it starts. */
function services(resources: readonly Declared[], images: readonly StackImage[]): Record<string, Fields> {
  const runs = new Map(
    resources.filter(({ type }) => type === COMMAND).map(({ name, inputs }) => [
      name,
      Object.entries(servicesOf(name, inputs as unknown as Command, (image) => entrypointOf(images, image))),
    ]),
  );
  const condition = (dependency: string): [string, Fields][] => {
    const [type, name = ""] = dependency.split("::");
    if (type === CONTAINER) return [[name, { condition: "service_healthy" }]];
    const last = type === COMMAND ? runs.get(name)?.at(-1)?.[0] : undefined;
    return last === undefined ? [] : [[last, { condition: "service_completed_successfully" }]];
  };
  const found = resources.flatMap(({ type, name, inputs, dependencies }): [string, Fields][] => {
    const dependsOn = Object.fromEntries(dependencies.flatMap(condition));
    if (type === CONTAINER) return [[name, { ...composeService(inputs), depends_on: dependsOn }]];
    return (runs.get(type === COMMAND ? name : "") ?? []).map(([step, fields], index) => [step, index > 0 ? fields : { ...fields, depends_on: dependsOn }]);
  });
  return Object.fromEntries(found.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The names in the engine of the resources of a type, each with the fields that `fields` adds. */
function named(resources: readonly Declared[], type: string, fields: (inputs: Declared["inputs"]) => Fields): Fields {
  const found = resources.filter((resource) => resource.type === type).map(({ inputs }) => [inputs.name as string, { name: inputs.name, ...fields(inputs) }] as const);
  return Object.fromEntries(found);
}

/** The secrets that services read, each from a file below secrets/. */
export function secretsOf(resources: readonly Declared[]): string[] {
  return resources.filter(({ type, inputs }) => type === COMMAND && (inputs.stdin ?? "") !== "").map(({ name }) => name).sort();
}

/**
 * compose.yaml as a value: every container, volume and network under the name that it has in the engine, and a service for
 * each command that prepares a volume. Images are named by tag, and secrets by file.
 */
export function composeFile(resources: readonly Declared[], stack: string): object {
  const images = imagesIn(resources);
  const file = {
    name: `cp-whisperx-${stack}`,
    services: services(resources, images),
    networks: named(resources, "docker:index/network:Network", ({ internal = false }) => ({ internal })),
    volumes: named(resources, VOLUME, () => ({})),
    secrets: Object.fromEntries(secretsOf(resources).map((name) => [name, { file: `./secrets/${name}` }])),
  };
  const byTag = (text: string): string => images.reduce((result, { reference, tags }) => result.replaceAll(reference, tags[0]), text);
  // Compose replaces variables in every text.
  return mapTexts(file, (text) => byTag(text).replaceAll("$", "$$$$")) as object;
}
