/** Keeps a stack on the machine that it was deployed on. */
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import type { DeployedOutputs } from "./deployed";

const named = (host: string | undefined): string => host ?? "the machine that deploys it";

/**
 * Rejects a changed `host`. Pulumi updates the provider's address in place: it would assume that everything runs on the new
 * machine, and never remove it from the old one.
 * @throws RunError with both fixes.
 */
export function checkHostUnchanged({ stack, host }: Pick<Settings, "stack" | "host">, outputs: DeployedOutputs): void {
  if (outputs.services === undefined || outputs.host === host) return;
  const back = outputs.host === undefined ? `pulumi config rm host` : `pulumi config set host ${outputs.host}`;
  throw new pulumi.RunError(
    `Stack ${stack} is deployed on ${named(outputs.host)}, and host names ${named(host)}.\n\n` +
      `  Each machine has a stack of its own: copy Pulumi.${stack}.yaml to Pulumi.NAME.yaml and deploy that one.\n` +
      `  To end this one first: ${back} --stack ${stack} && pulumi destroy --stack ${stack}\n`,
  );
}
