import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { isLoopback } from "../settings/contradictions";
import { wantedHubModels } from "../settings/hub-models";
import type { VolumesArgs } from "./args";
import type { Identity } from "./identities";
import { dockerRun, oneShot } from "./one-shot";

/** The volume that the models are downloaded into. */
export interface CacheVolume {
  /** Name of the volume in the engine. */
  readonly volume: pulumi.Input<string>;
  readonly identity: Identity;
  /** Mount point, and the variables by which libraries find the models there. */
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Proxy variables of this machine, passed on if they are set. */
const PROXIES = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"];

/** A hub on the engine's loopback interface, such as a mirror, is only reachable from the host's network. */
function network(endpoint: string | undefined): string {
  return endpoint !== undefined && isLoopback(new URL(endpoint).host) ? "host" : "bridge";
}

/**
 * Downloads the models of the hub into the model cache. It runs again for another list of models, a new volume, or when a token
 * is set for the first time. The token is passed on standard input, so it is in no environment, command line or container
 * listing; the state holds it encrypted. Interrupted downloads resume. Pulumi cannot see changes in the volume or on the hub;
 * `make models` forces a re-run.
 */
export function prefetch(
  name: string,
  { settings, engine, images, certificates }: VolumesArgs,
  cache: CacheVolume,
  options: pulumi.CustomResourceOptions,
): command.local.Command {
  const { endpoint, token, leaveOut } = settings.models;
  const models = JSON.stringify(wantedHubModels(settings.variant, leaveOut));
  const passed = {
    ...cache.environment,
    PREFETCH_MODELS: models,
    ...(endpoint === undefined ? {} : { HF_ENDPOINT: endpoint }),
    ...(certificates === "" ? {} : { PREFETCH_CERTIFICATES: certificates }),
  };
  const variables = [...Object.keys(passed), ...PROXIES].map((variable) => `--env ${variable}`);
  return oneShot(
    name,
    {
      engine,
      image: images.named("prefetch").reference,
      create: dockerRun({
        user: '"$OWNER"',
        network: network(endpoint),
        volumes: [`$VOLUME:${cache.path}:nocopy`],
        options: ["--interactive", "--tmpfs /tmp", ...variables],
      }),
      environment: { ...passed, VOLUME: cache.volume, OWNER: settings.user },
      stdin: token ?? pulumi.secret(""),
      logging: command.local.Logging.StdoutAndStderr,
      identity: cache.identity,
      triggers: [models, token === undefined ? "no token" : "token"],
    },
    { ...options, customTimeouts: { create: "5h" } },
  );
}
