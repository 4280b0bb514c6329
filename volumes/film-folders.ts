import type * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import type { Access } from "./access";
import type { VolumesArgs } from "./args";
import { filmPaths } from "./film-paths";
import { CHANGE_OWNER, dockerRun, oneShot } from "./one-shot";

// Changes the owner only of files that stages write: job folders, grouped by year, and the hardware cache.
const OWN_FOLDER = [
  'chown "$1" /films/out',
  'find /films/out -mindepth 1 -maxdepth 1 "(" -name "[0-9][0-9][0-9][0-9]" -o -name "*hardware_cache.json*" ")"' +
    ' -exec chown --recursive --no-dereference "$1" {} +',
].join(" && ");

// On a remote machine `docker run --volume` creates missing folders.
const OWN_FOLDERS = dockerRun({
  ...CHANGE_OWNER,
  volumes: ["$IN:/films/in:ro", "$OUT:/films/out", "$CONFIG:/config:ro"],
  entrypoint: "sh",
  arguments: ["-c", `'${OWN_FOLDER}'`, "sh", '"$OWNER"'],
});

/**
 * The folders on the engine's host for films and results, as every stage mounts them. The output folder belongs to the
 * containers' user. A replacement or `pulumi destroy` removes no file.
 */
export function filmFolders({ settings, engine, images, identities }: VolumesArgs, parent: pulumi.Resource): Access {
  const name = "films";
  const paths = filmPaths(settings.films);
  const environment = { IN: paths.in, OUT: paths.out, CONFIG: paths.config, OWNER: settings.user };
  const owned = oneShot(
    name,
    {
      engine,
      image: images.named("base").reference,
      create: OWN_FOLDERS,
      environment,
      identity: identities.films,
      triggers: Object.values(environment),
    },
    { parent, aliases: [movedFrom("cp-whisperx:volumes:FilmFolders", name)] },
  );
  return {
    mounts: [
      { type: "bind", source: paths.in, target: "/films/in", readOnly: true },
      { type: "bind", source: paths.out, target: "/films/out" },
      { type: "bind", source: paths.config, target: "/config", readOnly: true },
    ],
    environment: {},
    identities: [identities.films],
    ready: [owned],
  };
}
