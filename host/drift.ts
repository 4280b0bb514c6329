/** How the engine and this machine differ from the last deployment. */
import * as pulumi from "@pulumi/pulumi";
import { secretNames, type Settings } from "../settings";
import { CONTAINER, VOLUME, type DeployedOutputs, type DeployedResources } from "./deployed";
import type { EngineFacts } from "./preflight";
import { buildsOnly } from "./purpose";

/** The names of the resources of that type whose objects the engine does not list; none if it does not answer. */
function lost(deployed: DeployedResources, type: string, listed: readonly string[] | undefined): string[] {
  if (listed === undefined) return [];
  const ofType = [...deployed].filter(([key]) => key.startsWith(`${type}::`));
  return ofType.filter(([, { name }]) => !listed.includes(String(name))).map(([key]) => key.slice(type.length + 2)).sort();
}

/**
 * Returns the names of the deployed volumes that the engine no longer has, such as `["model-cache"]`. A preview also warns of
 * them, and of containers that do not run: Pulumi compares the program with its state, and would call both unchanged.
 */
export async function checkEngine(
  stack: string,
  deployed: DeployedResources,
  { volumes, running }: Pick<EngineFacts, "volumes" | "running">,
): Promise<string[]> {
  if (buildsOnly()) return [];
  const removed = lost(deployed, VOLUME, volumes && Object.keys(volumes));
  // A deployment reports what it creates.
  if (!pulumi.runtime.isDryRun()) return removed;
  if (removed.length > 0) await pulumi.log.warn(`Removed: volume ${removed.join(", ")}. The next up creates and fills it again.`);
  const stopped = lost(deployed, CONTAINER, running);
  if (stopped.length > 0) {
    const fix = `make up STACK=${stack}, or pulumi up --refresh --stack ${stack}`;
    await pulumi.log.warn(`Not running: ${stopped.join(", ")}. Pulumi does not see that without a refresh; fix: ${fix}`);
  }
  return removed;
}

/** Warns of each secret that the stack was deployed with and that is not set now, as for another person: an up would remove it. */
export async function warnOfMissingSecrets(settings: Settings, { secrets = [] }: DeployedOutputs): Promise<void> {
  if (buildsOnly()) return;
  const { stack } = settings;
  for (const name of secrets.filter((one) => !secretNames(settings).includes(one))) {
    await pulumi.log.warn(
      `Stack ${stack} was deployed with ${name}, which this machine does not have; fix: make secret STACK=${stack} KEY=${name}, ` +
        `or for everybody: pulumi config set --secret --path ${name} --stack ${stack}`,
    );
  }
}
