import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import { hardenedContainer, type ContainerArgs, type Shared } from "./container";

/** The service that the others wait for, and the host name by which they reach it on the stack's network. */
export const QUEUE = "queue";

/** For workers of the same stack; the network is internal and no port is published. */
export const QUEUE_URL = `redis://${QUEUE}:6379/0`;

/** Redis with an append-only file: a job that was submitted outlives a restart of the queue and of the host. */
export function queue(
  shared: Shared,
  args: Pick<ContainerArgs, "service" | "networks" | "access">,
  parent: pulumi.Resource,
): docker.Container {
  return hardenedContainer(
    shared,
    {
      ...args,
      networks: args.networks.map((network) => ({ ...network, aliases: [QUEUE] })),
      environment: {},
      healthcheck: "redis-cli ping | grep -q PONG",
      dependsOn: [],
    },
    { parent, aliases: [movedFrom("cp-whisperx:services:Queue", QUEUE)] },
  );
}
