import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { imageNamed, type Hierarchy } from "../images/hierarchy";
import type { Engine } from "../services/engine";
import type { Settings } from "../settings";
import { isLoopback } from "../settings/contradictions";
import { wantedHubModels, type HubModel } from "../settings/hub-models";

/** Where hub models come from, and which. */
export interface HubArgs {
  /** `repository@digest` of the image `prefetch`. */
  readonly image: pulumi.Input<string>;
  readonly models: readonly HubModel[];
  /** Address of the hub; huggingface.co where undefined. */
  readonly endpoint?: string;
  /** Token for gated models. */
  readonly token?: string;
  /** PEM certificates to trust beside the image's own. */
  readonly certificates?: string;
}

/** What the settings say of the hub; undefined where models are packaged ones alone. */
export function hubArgs(settings: Settings, hierarchy: Hierarchy, certificates: string | undefined): HubArgs | undefined {
  const { source, endpoint, token, leaveOut } = settings.models;
  if (source !== "hub") return undefined;
  const models = wantedHubModels(settings.variant, leaveOut);
  return { image: imageNamed(hierarchy, "prefetch").reference, models, endpoint, token, certificates };
}

export interface PrefetchArgs extends HubArgs {
  readonly engine: Engine;
  /** Name of the volume, and what tells it from a new, empty one of that name; unchanged where that is undefined. */
  readonly volume: pulumi.Input<string>;
  readonly volumeIdentity: string | undefined;
  /** The variables by which libraries find the models, and where the volume is mounted. */
  readonly cacheEnvironment: Readonly<Record<string, string>>;
  readonly cachePath: string;
  /** uid:gid that owns the models. */
  readonly user: string;
}

/** How a machine reaches the internet, handed on where it is set. */
const PROXIES = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"];

/** A hub on the engine's own machine, such as a mirror, is not to be reached from a network of containers. */
function network(endpoint: string | undefined): string[] {
  return endpoint !== undefined && isLoopback(new URL(endpoint).host) ? ["--network host"] : [];
}

/**
 * Downloads the models of the hub into the model cache, once for each list of models and each volume. The token reaches the
 * program on its standard input: no environment, command line or container listing has it, and the state holds it encrypted.
 * Its progress is shown while it runs. What was cut off goes on where it stopped. What changes in the volume or on the hub
 * changes no input: `make models` replaces this command by its name.
 */
export function prefetch(
  name: string,
  args: PrefetchArgs,
  parent: pulumi.Resource,
  after: pulumi.Resource,
): command.local.Command {
  const passed = {
    ...args.cacheEnvironment,
    PREFETCH_MODELS: JSON.stringify(args.models),
    ...(args.endpoint === undefined ? {} : { HF_ENDPOINT: args.endpoint }),
    ...(args.certificates === undefined ? {} : { PREFETCH_CERTIFICATES: args.certificates }),
  };
  return new command.local.Command(
    name,
    {
      create: [
        'docker run --rm --interactive --user "$USER_AND_GROUP" --read-only --tmpfs /tmp --cap-drop ALL',
        "--security-opt no-new-privileges",
        ...network(args.endpoint),
        `--volume "$VOLUME:${args.cachePath}"`,
        ...[...Object.keys(passed), ...PROXIES].map((variable) => `--env ${variable}`),
        '"$IMAGE"',
      ].join(" "),
      environment: {
        ...args.engine.environment,
        ...passed,
        IMAGE: args.engine.pulled(name, args.image, parent),
        VOLUME: args.volume,
        USER_AND_GROUP: args.user,
      },
      stdin: pulumi.secret(args.token ?? ""),
      logging: command.local.Logging.StdoutAndStderr,
      triggers: [args.models.map(({ repository, revision }) => `${repository}@${revision}`), args.image, args.volumeIdentity],
    },
    {
      parent,
      dependsOn: after,
      deleteBeforeReplace: true,
      customTimeouts: { create: "5h", update: "5h" },
      ignoreChanges: args.volumeIdentity === undefined ? ["triggers[2]"] : [],
    },
  );
}
