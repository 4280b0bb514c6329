import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { services, type Service } from "../catalog";
import type { Engine } from "../host/engine";
import type { Volumes } from "../volumes";
import type { Shared } from "./container";
import { queue, QUEUE } from "./queue";
import { stage } from "./stage";

export interface ServicesArgs extends Shared {
  readonly volumes: Volumes;
}

/** A running service and how to see what it says. */
export interface ServiceOutput {
  readonly container: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  readonly logs: pulumi.Output<string>;
}

function describe(container: docker.Container, engine: Engine): ServiceOutput {
  return {
    container: container.name,
    image: container.image,
    logs: pulumi.interpolate`${engine.command} logs --follow ${container.name}`,
  };
}

/** The queue and one worker per stage on networks of their own. */
export class Services extends pulumi.ComponentResource {
  /** By name, and where each can be seen. */
  public readonly running: Readonly<Record<string, ServiceOutput>>;

  constructor(name: string, args: ServicesArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:services:Services", name, {}, { ...args.engine.options, ...options });
    const { engine, volumes } = args;
    const inside = this.network("inside", args, { internal: true });
    // The one that leads to the internet is there where a stage has a secret for something in it.
    const outside = volumes.secrets && this.network("outside", args);
    const networksOf = ({ service: { internet } }: Service): { name: pulumi.Output<string> }[] =>
      [inside, ...(internet && outside ? [outside] : [])].map((network) => ({ name: network.name }));
    const definition = services.find((service) => service.name === QUEUE);
    if (definition === undefined) throw new Error(`catalog.ts: no service ${QUEUE}`);

    const first = queue(args, { service: definition, networks: networksOf(definition), access: [volumes.queue] }, this);
    const stages = services
      .filter((service) => service !== definition)
      .map((service) => {
        const given = { service, networks: networksOf(service), access: volumes.accessOf(service.service), dependsOn: [first] };
        return [service.name, stage(args, given, this)] as const;
      });
    const containers = { [QUEUE]: first, ...Object.fromEntries(stages) };
    this.running = Object.fromEntries(Object.entries(containers).map(([service, container]) => [service, describe(container, engine)]));
    this.registerOutputs({});
  }

  private network(name: string, { settings }: ServicesArgs, args: docker.NetworkArgs = {}): docker.Network {
    const aliases = [{ parent: pulumi.rootStackResource }];
    return new docker.Network(name, { name: `cp-whisperx-${settings.stack}-${name}`, ...args }, { parent: this, aliases });
  }
}
