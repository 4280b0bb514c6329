import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import type { EngineFacts } from "./preflight";

/**
 * The engine's settings, and what the preflight found out about it: `{ ...settings, ...facts }`.
 *
 * - `host`: remote machine, as ssh://user@machine. Default: this machine.
 * - `registry`, `registryLogin`: where images are pulled from, such as 127.0.0.1:5000. Default: no login.
 * - `endpoint`: address of a local engine, such as unix:///var/run/docker.sock. Default: the provider's.
 * - `answers`: whether it answers; if not, only a preview continues.
 */
export type EngineArgs = Pick<Settings, "host" | "registry" | "registryLogin"> & Pick<EngineFacts, "endpoint" | "answers">;

/**
 * The provider's address if the engine does not answer. A preview does not connect to it; but the official plugin fails at
 * once if no daemon answers at an address other than ssh.
 */
const NO_ENGINE = "ssh://no-engine-answers";

/** The engine that a stack runs on, for resources and for docker commands. */
export class Engine {
  /** Explicit, because the default provider ignores docker contexts. */
  public readonly provider: docker.Provider;
  /** Environment for docker commands that reach this engine: `{ DOCKER_HOST: "ssh://user@machine" }`, or empty if it is local. */
  public readonly environment: Readonly<Record<string, string>>;

  constructor(private readonly args: EngineArgs) {
    const { host, endpoint, answers, registry, registryLogin } = args;
    this.environment = host === undefined ? {} : { DOCKER_HOST: host };
    const providerArgs: docker.ProviderArgs = {
      host: host ?? (answers ? endpoint : NO_ENGINE),
      // DOCKER_CONTEXT would otherwise override `host`, and the provider reads only contexts below ~/.docker.
      context: "",
      registryAuth: registryLogin === undefined ? undefined : [{ address: registry, ...registryLogin }],
    };
    // Older stacks used the default provider.
    this.provider = new docker.Provider("engine", providerArgs, { aliases: [{ name: "default_5_2_0" }] });
  }

  /** Resource options that make a resource, or a component and its children, use this engine. */
  public get options(): { provider: docker.Provider } {
    return { provider: this.provider };
  }

  /** Whether containers can mount folders of this machine. */
  public get isLocal(): boolean {
    return this.args.host === undefined;
  }

  /** The docker command to show to users: `docker`, or `docker --host ssh://user@machine`. */
  public get command(): string {
    return this.args.host === undefined ? "docker" : `docker --host ${this.args.host}`;
  }

  /** Pulls the image by the provider. The engine keeps it, because the next deployment or a rollback shares its layers. */
  public pull(name: string, image: pulumi.Input<string>, options: pulumi.CustomResourceOptions): pulumi.Output<string> {
    return new docker.RemoteImage(name, { name: image, keepLocally: true }, { ...options, customTimeouts: { create: "30m" } }).name;
  }

  /**
   * The image for `docker run` in a command. If the registry requires a login, the provider pulls it with the stack's login;
   * docker's command line would use the login of whoever deploys.
   */
  public imageForCommand(name: string, image: pulumi.Input<string>, options: pulumi.CustomResourceOptions): pulumi.Input<string> {
    return this.args.registryLogin === undefined ? image : this.pull(name, image, options);
  }
}
