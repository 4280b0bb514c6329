import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Service } from "../catalog";
import type { Engine } from "../host/engine";
import type { Images } from "../images";
import type { Settings } from "../settings";
import type { Access } from "../volumes/access";
import type { Accelerator } from "./accelerator";

/** What the containers of a stack share. */
export interface Shared {
  readonly settings: Settings;
  readonly engine: Engine;
  readonly images: Images;
}

export interface ContainerArgs {
  readonly service: Service;
  readonly networks: docker.types.input.ContainerNetworksAdvanced[];
  readonly access: readonly Access[];
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** What it gets of the host's GPUs. */
  readonly accelerator?: Accelerator;
  /** Shell command that succeeds while the service is well, for `healthcheck.sh` in its image. */
  readonly healthcheck: string;
  /** What runs before it, beside what makes its access ready. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * Above the ten minutes that a probe lasts (docker/base/healthcheck.sh). Without a period or an interval for the start, of
 * which engines before and after version 25 make different things: the probe waits by itself.
 */
const PROBE_TIMEOUT = "15m0s";

/**
 * Pulls the image and runs it as a service with no more rights than it needs: unprivileged user, no capabilities, no
 * way to new ones, a read-only root, bounded memory, processes and logs. Waits until it is healthy, and restarts it
 * whenever it ends by itself.
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
      // No swap beyond the memory: a stage that outgrows its limit fails at once instead of stalling the host.
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
      // The same for a stop by the engine itself, as at the host's shutdown.
      stopTimeout: settings.stopSeconds,
    },
    // The provider accepts a change of these on a running container without effect. Devices and shared memory are among
    // those for which it replaces the container by itself.
    {
      ...options,
      dependsOn: [...dependsOn, ...access.flatMap(({ ready }) => ready)],
      deleteBeforeReplace: true,
      replaceOnChanges: ["tmpfs", "init"],
      // An identity that a preview cannot know is taken for unchanged.
      replacementTrigger: identities.includes(undefined) ? undefined : identities,
      // The provider's own limit is 20 minutes.
      customTimeouts: { create: `${settings.startSeconds + 300}s` },
    },
  );
}
