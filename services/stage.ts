import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardenedContainer, type HardenedContainerArgs } from "./container";

export type StageServiceArgs = Omit<HardenedContainerArgs, "healthcheck"> & {
  readonly queueUrl: string;
};

/** The worker touches the file every few seconds while it reaches the queue and its models are loaded. */
const HEALTHCHECK = `test -n "$(find /tmp/healthy -newermt '-20 seconds' 2>/dev/null)"`;

/** One stage of the application: a worker that takes one job at a time and keeps its model loaded between jobs. */
export class StageService extends pulumi.ComponentResource {
  public readonly container: docker.Container;

  constructor(name: string, args: StageServiceArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:services:Stage", name, {}, options);
    this.container = hardenedContainer(
      name,
      {
        ...args,
        environment: {
          ...args.environment,
          REDIS_URL: args.queueUrl,
          // Part of the key of each result: what another image made is made again.
          CP_WHISPERX_IMAGE: args.image,
        },
        healthcheck: HEALTHCHECK,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
