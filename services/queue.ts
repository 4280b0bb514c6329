import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import type { NamedVolume } from "../volumes/identities";
import { oneShot } from "../volumes/one-shot";
import { declareVolume, MAKE_VOLUME, OWN_VOLUME } from "../volumes/volume";
import { hardenedContainer, type HardenedContainerArgs } from "./container";

export type QueueArgs = Omit<HardenedContainerArgs, "mounts" | "mounted" | "environment" | "healthcheck"> & {
  readonly engine: Engine;
  /** The volume that keeps the queue over restarts. */
  readonly volume: NamedVolume;
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
    const { engine, image, user } = args;
    const { identity } = args.volume;
    const volume = declareVolume(name, args.volume, { parent: this, retainOnDelete: true });
    const environment = { VOLUME: volume.name, OWNER: user };
    const work = { engine, image, identity, create: `${MAKE_VOLUME} && ${OWN_VOLUME}`, environment };
    const owned = oneShot(`${name}-volume`, { ...work, triggers: [user] }, { parent: this });
    this.container = hardenedContainer(
      name,
      {
        ...args,
        networks: args.networks.map((network) => ({ ...network, aliases: [HOST] })),
        mounts: [{ type: "volume", source: volume.name, target: "/data" }],
        mounted: [identity],
        environment: {},
        healthcheck: "redis-cli ping | grep -q PONG",
      },
      { parent: this, dependsOn: owned },
    );
    this.registerOutputs({ url: this.url });
  }
}
