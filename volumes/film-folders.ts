import * as path from "node:path";
import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../services/engine";

export interface FilmFoldersArgs {
  /** Folder with the films; containers only read it. */
  readonly in: string;
  /** Folder for jobs and results; owned by `user`. */
  readonly out: string;
  /** Folder with files that stages may read. */
  readonly config: string;
  /** uid:gid that containers run as. */
  readonly user: string;
  readonly engine: Engine;
  /** Image with a shell, as `repository@digest`, that makes the folders on another machine. */
  readonly image: pulumi.Input<string>;
}

// Creating is all it does: on replacement and on destroy the films stay.
const MAKE_FOLDERS = `set -eu
mkdir -p "$IN" "$OUT" "$CONFIG"
if [ "$(id -u)" = 0 ]; then chown "$OWNER" "$OUT"; fi
if [ "$(stat -c %u "$OUT")" != "\${OWNER%%:*}" ]; then
  echo "films.out: $OUT belongs to uid $(stat -c %u "$OUT"), containers run as $OWNER; way out: sudo chown $OWNER '$OUT', or pulumi config set user $(id -u):$(id -g)" >&2
  exit 1
fi`;

// On another machine the engine makes the folders, as it does for each volume that begins with a path.
const MAKE_FOLDERS_BY_ENGINE = [
  "docker run --rm --user 0:0 --network none --read-only --cap-drop ALL --cap-add CHOWN",
  '--volume "$IN:/films/in" --volume "$OUT:/films/out" --volume "$CONFIG:/config"',
  '--entrypoint chown "$IMAGE" "$OWNER" /films/out',
].join(" ");

/** The folders on the engine's host through which films come in and subtitles go out. */
export class FilmFolders extends pulumi.ComponentResource {
  /** Absolute paths on the engine's host. */
  public readonly in: string;
  public readonly out: string;
  public readonly config: string;
  /** The folders as every stage mounts them. */
  public readonly mounts: docker.types.input.ContainerMount[];
  /** Resolves when the folders exist and belong to the containers' user. */
  public readonly made: command.local.Command;

  constructor(name: string, args: FilmFoldersArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:FilmFolders", name, {}, { ...options, ...args.engine.options });
    [this.in, this.out, this.config] = [path.resolve(args.in), path.resolve(args.out), path.resolve(args.config)];
    const folders = { IN: this.in, OUT: this.out, CONFIG: this.config, OWNER: args.user };
    const { engine } = args;
    const way = engine.isLocal
      ? { create: MAKE_FOLDERS, environment: folders }
      : {
          create: MAKE_FOLDERS_BY_ENGINE,
          environment: { ...engine.environment, ...folders, IMAGE: engine.pulled(name, args.image, this) },
        };
    this.made = new command.local.Command(name, { ...way, triggers: Object.values(folders) }, { parent: this });
    this.mounts = [
      { type: "bind", source: this.in, target: "/films/in", readOnly: true },
      { type: "bind", source: this.out, target: "/films/out" },
      { type: "bind", source: this.config, target: "/config", readOnly: true },
    ];
    this.registerOutputs({ in: this.in, out: this.out, config: this.config });
  }
}
