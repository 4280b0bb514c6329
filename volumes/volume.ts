/** A volume of the stack: made again where it vanished, and owned by the user that the containers run as. */
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

/** Makes VOLUME with its label, unless it is there: Pulumi does not see that it vanished, and a mount makes one without. */
export const MAKE_VOLUME = `docker volume create --label "${IDENTITY_LABEL}=$IDENTITY" "$VOLUME" >/dev/null`;

/** Gives OWNER all that is in VOLUME. */
export const OWN_VOLUME = dockerRun({
  ...CHANGE_OWNER,
  volumes: ["$VOLUME:/volume"],
  entrypoint: "chown",
  arguments: ["--recursive", "--no-dereference", '"$OWNER"', "/volume"],
});
