import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Service } from "../catalog";
import type { Engine } from "../host/engine";
import type { Images } from "../images";
import type { Settings } from "../settings";
import type { Access } from "../volumes/access";
import type { Accelerator } from "./accelerator";

/** What all containers of a stack share. */
export interface Shared {
  /** Their user, limits and timeouts. */
  readonly settings: Settings;
  /** The engine that pulls the images and runs the containers. */
  readonly engine: Engine;
  /** The built images; each service runs the one of its name. */
  readonly images: Images;
}

/** One container. */
export interface ContainerArgs {
  /** Its entry in catalog.ts: name and needs. */
  readonly service: Service;
  /** Networks that it joins. Example: `[{ name: "cp-whisperx-dev-inside", aliases: ["queue"] }]`. */
  readonly networks: docker.types.input.ContainerNetworksAdvanced[];
  /** The volumes and folders that it mounts, with their variables. Example: `volumes.accessOf(service.service)`. */
  readonly access: readonly Access[];
  /** Its variables, in addition to those of its access, which they override. Example: `{ LOG_LEVEL: "INFO" }`. */
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** Its GPUs. Default: none. */
  readonly accelerator?: Accelerator;
  /** Shell command that succeeds while the service is healthy, for `healthcheck.sh` in its image. Example: `redis-cli ping | grep -q PONG`. */
  readonly healthcheck: string;
  /** Resources that must exist before it, in addition to those of its access. Example: the queue's container. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * More than the ten minutes that a probe lasts (docker/base/healthcheck.sh). No start period or start interval, because engines
 * before and after version 25 treat them differently: the probe itself waits.
 */
const PROBE_TIMEOUT = "15m0s";

/**
 * Pulls the image and runs it as a service with few rights: unprivileged user, no capabilities, no new privileges, read-only
 * root file system, limited memory, open files and logs. Waits until the container is healthy. The engine restarts it if it
 * exits.
 */
export function hardenedContainer(
  { settings, engine, images }: Shared,
  { service: { name, service }, networks, access, environment, accelerator, healthcheck, dependsOn }: ContainerArgs,
  options: pulumi.CustomResourceOptions,
): docker.Container {
  const memory = settings.memoryMegabytes[name] ?? service.memoryMegabytes;
  const identities = access.flatMap((one) => one.identities);
  const variables = Object.assign({}, ...access.map((one) => one.environment), environment) as ContainerArgs["environment"];
  return new docker.Container(
    name,
    {
      name: `cp-whisperx-${settings.stack}-${name}`,
      image: engine.pull(name, images.named(name).reference, options),
      hostname: name,
      user: settings.user,
      envs: Object.entries(variables).map(([key, value]) => pulumi.interpolate`${key}=${value}`),
      labels: Object.entries({ "cp-whisperx.stack": settings.stack, "cp-whisperx.service": name }).map(([label, value]) => ({ label, value })),
      mounts: access.flatMap(({ mounts }) => mounts),
      networksAdvanced: networks,
      readOnly: true,
      tmpfs: { "/tmp": "rw,nosuid,nodev,noexec,size=512m,mode=1777" },
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      deviceRequests: accelerator?.deviceRequests,
      shmSize: accelerator?.shmMegabytes,
      memory,
      // No swap: a stage above its memory limit fails at once instead of slowing down the host.
      memorySwap: memory,
      ulimits: [{ name: "nofile", soft: 4096, hard: 4096 }],
      restart: "unless-stopped",
      logDriver: "json-file",
      logOpts: { "max-size": "10m", "max-file": "3" },
      healthcheck: {
        tests: ["CMD", "healthcheck.sh", healthcheck],
        interval: "1s",
        timeout: PROBE_TIMEOUT,
        retries: 1,
      },
      wait: true,
      waitTimeout: settings.startSeconds,
      mustRun: true,
      destroyGraceSeconds: settings.stopSeconds,
      // For a stop by the engine itself, such as at the host's shutdown.
      stopTimeout: settings.stopSeconds,
    },
    // For these inputs the provider updates a running container without effect. For devices and shared memory it replaces the
    // container by itself.
    {
      ...options,
      dependsOn: [...dependsOn, ...access.flatMap(({ ready }) => ready)],
      deleteBeforeReplace: true,
      replaceOnChanges: ["tmpfs", "init"],
      // A preview assumes that an unknown identity is unchanged.
      replacementTrigger: identities.includes(undefined) ? undefined : identities,
      // The provider's own limit is 20 minutes.
      customTimeouts: { create: `${settings.startSeconds + 300}s` },
    },
  );
}
