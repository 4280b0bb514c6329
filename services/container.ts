import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Identity } from "../volumes/identities";

export interface HardenedContainerArgs {
  /** Name in the engine. */
  readonly containerName: string;
  /** `repository@digest`. */
  readonly image: pulumi.Input<string>;
  /** uid:gid, never root. */
  readonly user: string;
  readonly memoryMegabytes: number;
  readonly networks: docker.types.input.ContainerNetworksAdvanced[];
  readonly mounts: docker.types.input.ContainerMount[];
  /** What the mounts lead to: a container keeps a folder that was removed, and must be replaced to see the one made since. */
  readonly mounted: readonly Identity[];
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** Devices that the engine hands to the container. */
  readonly deviceRequests?: docker.types.input.ContainerDeviceRequest[];
  /** Size of /dev/shm in MiB, the engine's own default where undefined. */
  readonly shmMegabytes?: number;
  /** Shell command that succeeds while the service is well, for `healthcheck.sh` in its image. */
  readonly healthcheck: string;
  /** Seconds that it may take until it is healthy; a deployment fails after them. */
  readonly startSeconds: number;
  /** Seconds between the polite signal and the kill. */
  readonly stopSeconds: number;
  readonly labels: Readonly<Record<string, string>>;
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
  name: string,
  args: HardenedContainerArgs,
  options: pulumi.CustomResourceOptions,
): docker.Container {
  // The engine keeps the image: containers of the next deployment, or of a rollback, share its layers.
  const pulled = new docker.RemoteImage(
    name,
    { name: args.image, keepLocally: true },
    { parent: options.parent, customTimeouts: { create: "30m" } },
  );
  return new docker.Container(
    name,
    {
      name: args.containerName,
      image: pulled.name,
      hostname: name,
      user: args.user,
      envs: Object.entries(args.environment).map(([key, value]) => pulumi.interpolate`${key}=${value}`),
      labels: Object.entries(args.labels).map(([label, value]) => ({ label, value })),
      mounts: args.mounts,
      networksAdvanced: args.networks,
      readOnly: true,
      tmpfs: { "/tmp": "rw,nosuid,nodev,noexec,size=512m,mode=1777" },
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      deviceRequests: args.deviceRequests,
      shmSize: args.shmMegabytes,
      memory: args.memoryMegabytes,
      // No swap beyond the memory: a stage that outgrows its limit fails at once instead of stalling the host.
      memorySwap: args.memoryMegabytes,
      ulimits: [{ name: "nofile", soft: 4096, hard: 4096 }],
      restart: "unless-stopped",
      logDriver: "json-file",
      logOpts: { "max-size": "10m", "max-file": "3" },
      healthcheck: {
        tests: ["CMD", "healthcheck.sh", args.healthcheck],
        interval: "1s",
        timeout: PROBE_TIMEOUT,
        retries: 1,
      },
      wait: true,
      waitTimeout: args.startSeconds,
      mustRun: true,
      destroyGraceSeconds: args.stopSeconds,
      // The same for a stop by the engine itself, as at the host's shutdown.
      stopTimeout: args.stopSeconds,
    },
    // The provider accepts a change of these on a running container without effect. Devices and shared memory are among
    // those for which it replaces the container by itself.
    {
      ...options,
      deleteBeforeReplace: true,
      replaceOnChanges: ["tmpfs", "init"],
      replacementTrigger: args.mounted.includes(undefined) ? undefined : args.mounted,
      // The provider's own limit is 20 minutes.
      customTimeouts: { create: `${args.startSeconds + 300}s` },
    },
  );
}
