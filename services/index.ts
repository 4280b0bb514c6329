import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { queue, stages, type Service } from "../catalog";
import type { Engine } from "../host/engine";
import type { Volumes } from "../volumes";
import type { Shared } from "./container";
import { runQueue } from "./queue";
import { runStage } from "./stage";

/** What the services need. */
export interface ServicesArgs extends Shared {
  /** What they mount. */
  readonly volumes: Volumes;
}

/** A running service. */
export interface ServiceOutput {
  readonly container: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  /** The command that shows its logs. Example: `docker logs --follow cp-whisperx-dev-asr`. */
  readonly logs: pulumi.Output<string>;
}

function describe(container: docker.Container, engine: Engine): ServiceOutput {
  return {
    container: container.name,
    image: container.image,
    logs: pulumi.interpolate`${engine.command} logs --follow ${container.name}`,
  };
}

/** The queue and one worker per stage, on networks of the stack. */
export class Services extends pulumi.ComponentResource {
  /** By service name, such as `asr`. */
  public readonly running: Readonly<Record<string, ServiceOutput>>;

  constructor(name: string, args: ServicesArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:services:Services", name, {}, { ...args.engine.options, ...options });
    const { engine, volumes } = args;
    const inside = this.network("inside", args, { internal: true });
    // The network with internet access only exists if a stage has a secret for a service there.
    const outside = volumes.secrets && this.network("outside", args);
    const networksOf = ({ service: { internet } }: Service): { name: pulumi.Output<string> }[] =>
      [inside, ...(internet && outside ? [outside] : [])].map((network) => ({ name: network.name }));

    const first = runQueue(args, { networks: networksOf(queue), access: [volumes.queue] }, this);
    const workers = stages.map((service) => {
      const given = { service, networks: networksOf(service), access: volumes.accessOf(service.service), dependsOn: [first] };
      return [service.name, runStage(args, given, this)] as const;
    });
    const containers = { [queue.name]: first, ...Object.fromEntries(workers) };
    this.running = Object.fromEntries(Object.entries(containers).map(([service, container]) => [service, describe(container, engine)]));
    this.registerOutputs({});
  }

  private network(name: string, { settings }: ServicesArgs, args: docker.NetworkArgs = {}): docker.Network {
    const aliases = [{ parent: pulumi.rootStackResource }];
    return new docker.Network(name, { name: `cp-whisperx-${settings.stack}-${name}`, ...args }, { parent: this, aliases });
  }
}
