/** Containers that run once, to make or fill what services mount. */
import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import type { Identity } from "./identities";

export interface DockerRunArgs {
  /** uid:gid, as a word of the shell. */
  readonly user: string;
  readonly capabilities?: readonly string[];
  /** `none` unless said. */
  readonly network?: string;
  readonly volumes: readonly string[];
  /** Further options of `docker run`. */
  readonly options?: readonly string[];
  /** Instead of the image's own program. */
  readonly entrypoint?: string;
  readonly arguments?: readonly string[];
}

/** `docker run` of the image IMAGE, with no more rights than are given. */
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

/** Root that may only change the owner of files, and read its way to them. */
export const CHANGE_OWNER = { user: "0:0", capabilities: ["CHOWN", "DAC_READ_SEARCH"] };

export interface OneShotArgs extends Pick<command.local.CommandArgs, "stdin" | "logging"> {
  readonly engine: Engine;
  /** `repository@digest`. */
  readonly image: pulumi.Input<string>;
  readonly create: string;
  readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
  /** Of what it works on: another one is worked on again. IDENTITY for the command. */
  readonly identity: Identity;
  /** What else makes it run again. */
  readonly triggers: readonly pulumi.Input<string>[];
}

/** A command that runs once, and again where a trigger changes. Any other change, such as of the image, waits for that run. */
export function oneShot(name: string, args: OneShotArgs, options: pulumi.CustomResourceOptions): command.local.Command {
  const { engine, image, environment, identity, triggers, ...rest } = args;
  return new command.local.Command(
    name,
    {
      ...rest,
      // Without an update of its own the provider would create again for any changed input.
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
