import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import { queue as service } from "../catalog";
import { hardenedContainer, type ContainerArgs, type Shared } from "./container";

/** URL for the stack's workers; the network is internal and no port is published. */
export const QUEUE_URL = `redis://${service.name}:6379/0`;

/** Redis with an append-only file: submitted jobs survive a restart of the queue and of the host. */
export function runQueue(
  shared: Shared,
  args: Pick<ContainerArgs, "networks" | "access">,
  parent: pulumi.Resource,
): docker.Container {
  return hardenedContainer(
    shared,
    {
      ...args,
      service,
      networks: args.networks.map((network) => ({ ...network, aliases: [service.name] })),
      environment: {},
      healthcheck: "redis-cli ping | grep -q PONG",
      dependsOn: [],
    },
    { parent, aliases: [movedFrom("cp-whisperx:services:Queue", service.name)] },
  );
}
