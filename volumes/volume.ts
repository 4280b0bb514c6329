/** A volume of the stack: created again if it was removed, and owned by the containers' user. */
import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { IDENTITY_LABEL, type NamedVolume } from "./identities";
import { CHANGE_OWNER, dockerRun } from "./one-shot";

/** The volume as a resource. */
export function declareVolume(
  name: string,
  { volumeName, identity }: NamedVolume,
  options: pulumi.CustomResourceOptions,
): docker.Volume {
  const labels = [{ label: IDENTITY_LABEL, value: identity ?? "" }];
  return new docker.Volume(name, { name: volumeName, labels }, { ...options, ignoreChanges: ["labels"] });
}

/**
 * Creates `$VOLUME` with its label if it does not exist: Pulumi does not notice a removed volume, and a mount would create one
 * without label.
 */
export const MAKE_VOLUME = `docker volume create --label "${IDENTITY_LABEL}=$IDENTITY" "$VOLUME" >/dev/null`;

/** Makes `$OWNER` the owner of all files in `$VOLUME`. */
export const OWN_VOLUME = dockerRun({
  ...CHANGE_OWNER,
  volumes: ["$VOLUME:/volume"],
  entrypoint: "chown",
  arguments: ["--recursive", "--no-dereference", '"$OWNER"', "/volume"],
});
