import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardenedContainer, type HardenedContainerArgs } from "./container";

export type QueueArgs = Omit<HardenedContainerArgs, "mounts" | "environment" | "healthcheck"> & {
  /** Name of the volume that keeps the queue over restarts. */
  readonly volumeName: string;
};

/** Host name by which workers reach the queue on the stack's network. */
const HOST = "queue";

/** Redis with an append-only file: a job that was submitted outlives a restart of the queue and of the host. */
export class Queue extends pulumi.ComponentResource {
  /** For workers of the same stack; the network is internal and no port is published. */
  public readonly url = `redis://${HOST}:6379/0`;
  public readonly container: docker.Container;

  constructor(name: string, args: QueueArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:services:Queue", name, {}, options);
    const volume = new docker.Volume(name, { name: args.volumeName }, { parent: this, retainOnDelete: true });
    this.container = hardenedContainer(
      name,
      {
        ...args,
        networks: args.networks.map((network) => ({ ...network, aliases: [HOST] })),
        mounts: [{ type: "volume", source: volume.name, target: "/data" }],
        environment: {},
        healthcheck: "redis-cli ping | grep -q PONG",
      },
      { parent: this },
    );
    this.registerOutputs({ url: this.url });
  }
}
