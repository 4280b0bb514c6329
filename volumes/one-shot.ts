/** Containers that run once, to create or fill what services mount. */
import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import type { Identity } from "./identities";

export interface DockerRunArgs {
  /** uid:gid, quoted for the shell. Example: `'"$OWNER"'`. */
  readonly user: string;
  /** Capabilities to add. Default: none. Example: `["CHOWN"]`. */
  readonly capabilities?: readonly string[];
  /** Docker network. Default: `none`. */
  readonly network?: string;
  /** Values of `--volume`, expanded by the shell. Example: `["$VOLUME:/models:nocopy"]`. */
  readonly volumes: readonly string[];
  /** Further options of `docker run`. Example: `["--interactive"]`. */
  readonly options?: readonly string[];
  /** Default: the image's entrypoint. */
  readonly entrypoint?: string;
  readonly arguments?: readonly string[];
}

/** The `docker run` command for the image in `$IMAGE`, read-only and with only the given rights. */
export function dockerRun(args: DockerRunArgs): string {
  return [
    `docker run --rm --user ${args.user} --network ${args.network ?? "none"} --read-only --cap-drop ALL`,
    ...(args.capabilities ?? []).map((capability) => `--cap-add ${capability}`),
    "--security-opt no-new-privileges",
    ...args.volumes.map((volume) => `--volume "${volume}"`),
    ...(args.options ?? []),
    ...(args.entrypoint === undefined ? [] : [`--entrypoint ${args.entrypoint}`]),
    '"$IMAGE"',
    ...(args.arguments ?? []),
  ].join(" ");
}

/** Root with only the rights to change owners and to search folders. */
export const CHANGE_OWNER = { user: "0:0", capabilities: ["CHOWN", "DAC_READ_SEARCH"] };

export interface OneShotArgs extends Pick<command.local.CommandArgs, "stdin" | "logging"> {
  /** The engine that runs it. */
  readonly engine: Engine;
  /** `repository@digest`; `$IMAGE` for the command. */
  readonly image: pulumi.Input<string>;
  /** Shell command, which must succeed if it runs again. Example: `dockerRun({ user: '"$OWNER"', volumes: ["$VOLUME:/models"] })`. */
  readonly create: string;
  /** Variables for the command, in addition to the engine's, IMAGE and IDENTITY. Example: `{ OWNER: "1000:1000" }`. */
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** Identity of what it fills: if it changes, the command runs again. `$IDENTITY` for the command. */
  readonly identity: Identity;
  /** Other values that make it run again if they change. */
  readonly triggers: readonly pulumi.Input<string>[];
}

/** A command that runs once, and again if a trigger changes. Other changes, such as of the image, take effect in that run. */
export function oneShot(name: string, args: OneShotArgs, options: pulumi.CustomResourceOptions): command.local.Command {
  const { engine, image, environment, identity, triggers, ...rest } = args;
  return new command.local.Command(
    name,
    {
      ...rest,
      // No-op. Without an update command the provider would run `create` for any changed input.
      update: ":",
      environment: {
        ...engine.environment,
        ...environment,
        IDENTITY: identity ?? "",
        IMAGE: engine.imageForCommand(name, image, { parent: options.parent, aliases: options.aliases }),
      },
      triggers: [identity ?? "", ...triggers],
    },
    {
      ...options,
      deleteBeforeReplace: true,
      ignoreChanges: identity === undefined ? ["triggers[0]", "environment.IDENTITY"] : [],
    },
  );
}
