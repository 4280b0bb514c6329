import * as path from "node:path";
import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

export interface FilmFoldersArgs {
  /** Folder with the films; containers only read it. */
  readonly in: string;
  /** Folder for jobs and results; owned by `user`. */
  readonly out: string;
  /** Folder with files that stages may read. */
  readonly config: string;
  /** uid:gid that containers run as. */
  readonly user: string;
}

// Creating is all it does: on replacement and on destroy the films stay.
const MAKE_FOLDERS = `set -eu
mkdir -p "$IN" "$OUT" "$CONFIG"
if [ "$(id -u)" = 0 ]; then chown "$OWNER" "$OUT"; fi
if [ "$(stat -c %u "$OUT")" != "\${OWNER%%:*}" ]; then
  echo "films.out: $OUT belongs to uid $(stat -c %u "$OUT"), containers run as $OWNER; way out: sudo chown $OWNER '$OUT', or pulumi config set user $(id -u):$(id -g)" >&2
  exit 1
fi`;

/** The folders on the host through which films come in and subtitles go out. */
export class FilmFolders extends pulumi.ComponentResource {
  /** Absolute paths on the host. */
  public readonly in: string;
  public readonly out: string;
  public readonly config: string;
  /** The folders as every stage mounts them. */
  public readonly mounts: docker.types.input.ContainerMount[];
  /** Resolves when the folders exist and belong to the containers' user. */
  public readonly made: command.local.Command;

  constructor(name: string, args: FilmFoldersArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:FilmFolders", name, {}, options);
    [this.in, this.out, this.config] = [path.resolve(args.in), path.resolve(args.out), path.resolve(args.config)];
    const environment = { IN: this.in, OUT: this.out, CONFIG: this.config, OWNER: args.user };
    this.made = new command.local.Command(
      name,
      { create: MAKE_FOLDERS, environment, triggers: Object.values(environment) },
      { parent: this },
    );
    this.mounts = [
      { type: "bind", source: this.in, target: "/films/in", readOnly: true },
      { type: "bind", source: this.out, target: "/films/out" },
      { type: "bind", source: this.config, target: "/config", readOnly: true },
    ];
    this.registerOutputs({ in: this.in, out: this.out, config: this.config });
  }
}
