import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Accelerator } from "./accelerator";
import { hardenedContainer, type HardenedContainerArgs } from "./container";

export type StageServiceArgs = Omit<HardenedContainerArgs, "healthcheck" | "deviceRequests" | "shmMegabytes"> & {
  /** What it gets of the host's GPUs, where it has a model that could use one. */
  readonly accelerator?: Accelerator;
  readonly queueUrl: string;
};

/** Once its models are loaded, the worker touches the file at each answer of the queue, which comes every 30 s or earlier. */
const HEALTHCHECK = `test -n "$(find /tmp/healthy -newermt '-120 seconds' 2>/dev/null)"`;

/** One stage of the application: a worker that takes one job at a time and keeps its model loaded between jobs. */
export class StageService extends pulumi.ComponentResource {
  public readonly container: docker.Container;

  constructor(name: string, args: StageServiceArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:services:Stage", name, {}, options);
    const { accelerator, ...container } = args;
    this.container = hardenedContainer(
      name,
      {
        ...container,
        deviceRequests: accelerator?.deviceRequests,
        shmMegabytes: accelerator?.shmMegabytes,
        environment: {
          ...args.environment,
          ...accelerator?.environment,
          REDIS_URL: args.queueUrl,
          // Part of the key of each result: what another image made is made again.
          CP_WHISPERX_IMAGE: args.image,
        },
        healthcheck: [HEALTHCHECK, ...(accelerator?.healthcheck ? [accelerator.healthcheck] : [])].join(" && "),
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
