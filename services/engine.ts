import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { RegistryLogin } from "../images/image";

export interface EngineArgs {
  /** `ssh://user@machine`; this machine's engine where undefined. */
  readonly host?: string;
  /** Host and port of the registry that the engine pulls from. */
  readonly registry: string;
  readonly registryLogin?: RegistryLogin;
}

/** The engine that a stack runs on, for resources and for docker commands. */
export class Engine {
  /** What resources are made with where it is another machine's engine, or its registry wants a login. */
  public readonly provider?: docker.Provider;
  /** What a docker command needs to reach it. */
  public readonly environment: Readonly<Record<string, string>>;

  constructor(private readonly args: EngineArgs) {
    const { host, registry, registryLogin } = args;
    this.environment = host === undefined ? {} : { DOCKER_HOST: host };
    if (host === undefined && registryLogin === undefined) return;
    this.provider = new docker.Provider("engine", {
      host,
      registryAuth:
        registryLogin === undefined
          ? undefined
          : [{ address: registry, username: registryLogin.username, password: pulumi.secret(registryLogin.password) }],
    });
  }

  /** What makes a resource, or a component with all in it, use this engine. */
  public get options(): { provider?: docker.Provider } {
    return this.provider === undefined ? {} : { provider: this.provider };
  }

  /** Whether folders of this machine are there for containers to mount. */
  public get isLocal(): boolean {
    return this.args.host === undefined;
  }

  /** The docker command for people, `docker` where nothing needs to be said. */
  public get command(): string {
    return this.args.host === undefined ? "docker" : `docker --host ${this.args.host}`;
  }

  /**
   * The image for a `docker run` of a command. Where the registry wants a login it is pulled by the provider, which has
   * it; the command line would look for one in the home of whoever deploys.
   */
  public pulled(name: string, image: pulumi.Input<string>, parent: pulumi.Resource): pulumi.Input<string> {
    if (this.args.registryLogin === undefined) return image;
    return new docker.RemoteImage(name, { name: image, keepLocally: true }, { parent, customTimeouts: { create: "30m" } }).name;
  }
}
