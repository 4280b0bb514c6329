import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import type { Identity, NamedVolume } from "./identities";
import { CHANGE_OWNER, dockerRun, oneShot } from "./one-shot";
import { declareVolume, MAKE_VOLUME } from "./volume";

export interface SecretFilesArgs {
  readonly engine: Engine;
  readonly volume: NamedVolume;
  /** Secrets by file name. */
  readonly secrets: Readonly<Record<string, pulumi.Output<string>>>;
  /** Image with a shell, as `repository@digest`, that writes the files. */
  readonly image: pulumi.Input<string>;
  /** uid:gid that alone may read them. */
  readonly user: string;
}

// Root owns the folder, and so needs no right to the file that it replaces.
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
 * Secrets as files in a volume: a service reads them below /run/secrets. The state holds them encrypted; no
 * environment, image layer or container listing holds them at all.
 */
export class SecretFiles extends pulumi.ComponentResource {
  /** Mount for a service that reads secrets. */
  public readonly mount: docker.types.input.ContainerMount;
  public readonly identity: Identity;
  /** Resolves when the files are written. */
  public readonly written: command.local.Command[];

  constructor(name: string, args: SecretFilesArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:SecretFiles", name, {}, { ...options, ...args.engine.options });
    const { engine, image, user } = args;
    const { identity } = args.volume;
    this.identity = identity;
    const volume = declareVolume(name, args.volume, { parent: this });
    this.written = Object.entries(args.secrets).map(([file, secret]) => {
      const environment = { VOLUME: volume.name, FILE: file, OWNER: user };
      const work = { engine, image, identity, create: `${MAKE_VOLUME} && ${WRITE_FILE}`, environment, stdin: secret };
      return oneShot(`${name}-${file}`, { ...work, triggers: [user, secret] }, { parent: this });
    });
    this.mount = { type: "volume", source: volume.name, target: "/run/secrets", readOnly: true };
    this.registerOutputs({});
  }
}
