import type * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import type { Access } from "./access";
import type { VolumesArgs } from "./args";
import { oneShot } from "./one-shot";
import { declareVolume, MAKE_VOLUME, OWN_VOLUME } from "./volume";

/** The volume with the queue's append-only file. It keeps waiting jobs when the container is replaced and on `pulumi destroy`. */
export function queueData({ settings, engine, images, identities }: VolumesArgs, parent: pulumi.Resource): Access {
  const name = "queue";
  const options = { parent, aliases: [movedFrom("cp-whisperx:services:Queue", name)] };
  const { identity, volumeName } = identities.volume(name);
  const volume = declareVolume(name, { identity, volumeName }, { ...options, retainOnDelete: true });
  const owned = oneShot(
    `${name}-volume`,
    {
      engine,
      image: images.named("queue").reference,
      create: `${MAKE_VOLUME} && ${OWN_VOLUME}`,
      environment: { VOLUME: volume.name, OWNER: settings.user },
      identity,
      triggers: [settings.user],
    },
    options,
  );
  return {
    mounts: [{ type: "volume", source: volume.name, target: "/data" }],
    environment: {},
    identities: [identity],
    ready: [owned],
  };
}
