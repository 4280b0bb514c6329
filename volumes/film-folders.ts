import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import type { FilmPaths } from "./film-paths";
import type { Identity } from "./identities";
import { CHANGE_OWNER, dockerRun, oneShot } from "./one-shot";

export interface FilmFoldersArgs {
  readonly paths: FilmPaths;
  readonly identity: Identity;
  /** uid:gid that containers run as. */
  readonly user: string;
  readonly engine: Engine;
  /** Image with a shell, as `repository@digest`. */
  readonly image: pulumi.Input<string>;
}

// Of what lies there only what the stages left changes its owner: jobs, by year, and what they know of the hardware.
const OWN_FOLDER = [
  'chown "$1" /films/out',
  'find /films/out -mindepth 1 -maxdepth 1 "(" -name "[0-9][0-9][0-9][0-9]" -o -name "*hardware_cache.json*" ")"' +
    ' -exec chown --recursive --no-dereference "$1" {} +',
].join(" && ");

// On another machine the engine makes the folders, as it does for each volume that begins with a path.
const OWN_FOLDERS = dockerRun({
  ...CHANGE_OWNER,
  volumes: ["$IN:/films/in:ro", "$OUT:/films/out", "$CONFIG:/config:ro"],
  entrypoint: "sh",
  arguments: ["-c", `'${OWN_FOLDER}'`, "sh", '"$OWNER"'],
});

/** The folders on the engine's host through which films come in and subtitles go out. */
export class FilmFolders extends pulumi.ComponentResource {
  public readonly paths: FilmPaths;
  /** The folders as every stage mounts them. */
  public readonly mounts: docker.types.input.ContainerMount[];
  public readonly identity: Identity;
  /** Resolves when the folders exist and belong to the containers' user. On replacement and on destroy the films stay. */
  public readonly ready: command.local.Command;

  constructor(name: string, args: FilmFoldersArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:FilmFolders", name, {}, { ...options, ...args.engine.options });
    const { engine, paths, identity, user } = args;
    const folders = { IN: paths.in, OUT: paths.out, CONFIG: paths.config, OWNER: user };
    const work = { engine, image: args.image, create: OWN_FOLDERS, environment: folders, identity };
    this.ready = oneShot(name, { ...work, triggers: Object.values(folders) }, { parent: this });
    this.paths = paths;
    this.identity = identity;
    this.mounts = [
      { type: "bind", source: paths.in, target: "/films/in", readOnly: true },
      { type: "bind", source: paths.out, target: "/films/out" },
      { type: "bind", source: paths.config, target: "/config", readOnly: true },
    ];
    this.registerOutputs({ ...paths });
  }
}
