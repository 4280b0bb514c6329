import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import { accelerator } from "./accelerator";
import { hardenedContainer, type ContainerArgs, type Shared } from "./container";
import { QUEUE_URL } from "./queue";

/** Once its models are loaded, the worker touches the file at each answer of the queue, at least every 30 s. */
const HEALTHCHECK = `test -n "$(find /tmp/healthy -newermt '-120 seconds' 2>/dev/null)"`;

/** One stage of the application: a worker that takes one job at a time and keeps its model loaded between jobs. */
export function runStage(
  shared: Shared,
  args: Pick<ContainerArgs, "service" | "networks" | "access" | "dependsOn">,
  parent: pulumi.Resource,
): docker.Container {
  const { settings, images } = shared;
  const { name } = args.service;
  const gpus = accelerator(settings, name);
  return hardenedContainer(
    shared,
    {
      ...args,
      accelerator: gpus,
      environment: {
        LOG_LEVEL: settings.logLevel,
        LOG_FORMAT: settings.logFormat,
        ...ownSettings(settings, name),
        ...gpus?.environment,
        REDIS_URL: QUEUE_URL,
        // Part of the cache key of each result: another image computes it again.
        CP_WHISPERX_IMAGE: images.named(name).reference,
      },
      healthcheck: [HEALTHCHECK, ...(gpus?.healthcheck ? [gpus.healthcheck] : [])].join(" && "),
    },
    { parent, aliases: [movedFrom("cp-whisperx:services:Stage", name)] },
  );
}

function ownSettings({ stages }: Shared["settings"], name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(stages[name] ?? {}).map(([key, value]) => [key, String(value)]));
}
