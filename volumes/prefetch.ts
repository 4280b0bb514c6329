import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { imageNamed, type Hierarchy } from "../images/hierarchy";
import type { Engine } from "../host/engine";
import type { Settings } from "../settings";
import { isLoopback } from "../settings/contradictions";
import { wantedHubModels, type HubModel } from "../settings/hub-models";
import type { Identity } from "./identities";
import { dockerRun, oneShot } from "./one-shot";

/** Where hub models come from, and which. */
export interface HubArgs {
  /** `repository@digest` of the image `prefetch`. */
  readonly image: pulumi.Input<string>;
  readonly models: readonly HubModel[];
  /** Address of the hub; huggingface.co where undefined. */
  readonly endpoint?: string;
  /** Token for gated models. */
  readonly token?: pulumi.Output<string>;
  /** PEM certificates to trust beside the image's own; may be empty. */
  readonly certificates: string;
}

/** What the settings say of the hub; undefined where models are packaged ones alone. */
export function hubArgs(settings: Settings, hierarchy: Hierarchy, certificates: string): HubArgs | undefined {
  const { source, endpoint, token, leaveOut } = settings.models;
  if (source !== "hub") return undefined;
  const models = wantedHubModels(settings.variant, leaveOut);
  return { image: imageNamed(hierarchy, "prefetch").reference, models, endpoint, token, certificates };
}

export interface PrefetchArgs extends HubArgs {
  readonly engine: Engine;
  /** Name of the volume in the engine. */
  readonly volume: pulumi.Input<string>;
  readonly identity: Identity;
  /** The variables by which libraries find the models, and where the volume is mounted. */
  readonly cacheEnvironment: Readonly<Record<string, string>>;
  readonly cachePath: string;
  /** uid:gid that owns the models. */
  readonly user: string;
}

/** How a machine reaches the internet, handed on where it is set. */
const PROXIES = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"];

/** A hub on the engine's own machine, such as a mirror, is not to be reached from a network of containers. */
function network(endpoint: string | undefined): string {
  return endpoint !== undefined && isLoopback(new URL(endpoint).host) ? "host" : "bridge";
}

/**
 * Downloads the models of the hub into the model cache, once for each list of models and each volume, and again where there is a
 * token for the first time. The token reaches the program on its standard input: no environment, command line or container
 * listing has it, and the state holds it encrypted. Its progress is shown while it runs. What was cut off goes on where it
 * stopped. Pulumi cannot see changes in the volume or on the hub; `make models` forces a re-run.
 */
export function prefetch(
  name: string,
  args: PrefetchArgs,
  parent: pulumi.Resource,
  after: pulumi.Resource,
): command.local.Command {
  const models = JSON.stringify(args.models);
  const passed = {
    ...args.cacheEnvironment,
    PREFETCH_MODELS: models,
    ...(args.endpoint === undefined ? {} : { HF_ENDPOINT: args.endpoint }),
    ...(args.certificates === "" ? {} : { PREFETCH_CERTIFICATES: args.certificates }),
  };
  const variables = [...Object.keys(passed), ...PROXIES].map((variable) => `--env ${variable}`);
  return oneShot(
    name,
    {
      engine: args.engine,
      image: args.image,
      create: dockerRun({
        user: '"$OWNER"',
        network: network(args.endpoint),
        volumes: [`$VOLUME:${args.cachePath}:nocopy`],
        options: ["--interactive", "--tmpfs /tmp", ...variables],
      }),
      environment: { ...passed, VOLUME: args.volume, OWNER: args.user },
      stdin: args.token ?? pulumi.secret(""),
      logging: command.local.Logging.StdoutAndStderr,
      identity: args.identity,
      triggers: [models, args.token === undefined ? "no token" : "token"],
    },
    { parent, dependsOn: after, customTimeouts: { create: "5h" } },
  );
}
