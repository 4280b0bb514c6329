import * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import type { Access } from "./access";
import type { VolumesArgs } from "./args";
import { CHANGE_OWNER, dockerRun, oneShot } from "./one-shot";
import { declareVolume, MAKE_VOLUME } from "./volume";

// Root owns the folder, so it may replace files of another owner.
const WRITE_FILE = dockerRun({
  ...CHANGE_OWNER,
  volumes: ["$VOLUME:/run/secrets"],
  options: ["--interactive"],
  entrypoint: "sh",
  arguments: [
    "-c",
    `'umask 077; cat > "/run/secrets/.$1.partial" && chown "$2" "/run/secrets/.$1.partial"` +
      ` && mv "/run/secrets/.$1.partial" "/run/secrets/$1"'`,
    'sh "$FILE" "$OWNER"',
  ],
});

/**
 * Secrets as files in a volume, mounted at /run/secrets. The state holds them encrypted; they are in no environment, image layer
 * or container listing. Undefined if the settings have none.
 */
export function secretFiles({ settings, engine, images, identities }: VolumesArgs, parent: pulumi.Resource): Access | undefined {
  if (settings.tmdbApiKey === undefined) return undefined;
  const name = "secrets";
  const secrets = { tmdb_api_key: settings.tmdbApiKey };
  const options = { parent, aliases: [movedFrom("cp-whisperx:volumes:SecretFiles", name)] };
  const { identity, volumeName } = identities.volume(name);
  const volume = declareVolume(name, { identity, volumeName }, options);
  const ready = Object.entries(secrets).map(([file, secret]) =>
    oneShot(
      `${name}-${file}`,
      {
        engine,
        image: images.named("base").reference,
        create: `${MAKE_VOLUME} && ${WRITE_FILE}`,
        environment: { VOLUME: volume.name, FILE: file, OWNER: settings.user },
        stdin: secret,
        identity,
        triggers: [settings.user, secret],
      },
      options,
    ),
  );
  return {
    mounts: [{ type: "volume", source: volume.name, target: "/run/secrets", readOnly: true }],
    environment: {},
    identities: [identity],
    ready,
  };
}
