import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import type { EngineFacts } from "./preflight";

/** What the settings say of the engine, and what it says of itself. */
export type EngineArgs = Pick<Settings, "host" | "registry" | "registryLogin"> & Pick<EngineFacts, "endpoint" | "answers">;

/**
 * Where the provider looks for an engine that does not answer. It asks none before a preview needs it, except that the
 * official plugin ends with an error where no daemon answers at an address that is not ssh's.
 */
const NO_ENGINE = "ssh://no-engine-answers";

/** The engine that a stack runs on, for resources and for docker commands. */
export class Engine {
  /** What resources are made with. By itself the provider would look past docker's contexts. */
  public readonly provider: docker.Provider;
  /** What a docker command needs to reach it. */
  public readonly environment: Readonly<Record<string, string>>;

  constructor(private readonly args: EngineArgs) {
    const { host, endpoint, answers, registry, registryLogin } = args;
    this.environment = host === undefined ? {} : { DOCKER_HOST: host };
    const providerArgs: docker.ProviderArgs = {
      host: host ?? (answers ? endpoint : NO_ENGINE),
      // DOCKER_CONTEXT would otherwise go before `host`, and the provider reads only contexts below ~/.docker.
      context: "",
      registryAuth: registryLogin === undefined ? undefined : [{ address: registry, ...registryLogin }],
    };
    // The alias is the provider of stacks from before every one had this.
    this.provider = new docker.Provider("engine", providerArgs, { aliases: [{ name: "default_5_2_0" }] });
  }

  /** What makes a resource, or a component with all in it, use this engine. */
  public get options(): { provider: docker.Provider } {
    return { provider: this.provider };
  }

  /** Whether folders of this machine are there for containers to mount. */
  public get isLocal(): boolean {
    return this.args.host === undefined;
  }

  /** The docker command for people, `docker` where nothing needs to be said. */
  public get command(): string {
    return this.args.host === undefined ? "docker" : `docker --host ${this.args.host}`;
  }

  /** The image, pulled by the provider. The engine keeps it: the next deployment, or a rollback, shares its layers. */
  public pull(name: string, image: pulumi.Input<string>, options: pulumi.CustomResourceOptions): pulumi.Output<string> {
    return new docker.RemoteImage(name, { name: image, keepLocally: true }, { ...options, customTimeouts: { create: "30m" } }).name;
  }

  /**
   * The image for a `docker run` of a command. Where the registry wants a login it is pulled by the provider, which has
   * it; the command line would look for one in the home of whoever deploys.
   */
  public imageForCommand(name: string, image: pulumi.Input<string>, options: pulumi.CustomResourceOptions): pulumi.Input<string> {
    return this.args.registryLogin === undefined ? image : this.pull(name, image, options);
  }
}
