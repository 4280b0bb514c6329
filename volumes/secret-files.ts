import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../services/engine";

export interface SecretFilesArgs {
  readonly engine: Engine;
  readonly volumeName: string;
  /** Secrets by file name. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
  /** Image with a shell, as `repository@digest`, that writes the files. */
  readonly image: pulumi.Input<string>;
  /** uid:gid that alone may read them. */
  readonly user: string;
}

/**
 * Secrets as files in a volume: a service reads them below /run/secrets. The state holds them encrypted; no
 * environment, image layer or container listing holds them at all.
 */
export class SecretFiles extends pulumi.ComponentResource {
  /** Mount for a service that reads secrets. */
  public readonly mount: docker.types.input.ContainerMount;
  /** Resolves when the files are written. */
  public readonly written: command.local.Command[];

  constructor(name: string, args: SecretFilesArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:SecretFiles", name, {}, { ...options, ...args.engine.options });
    const volume = new docker.Volume(name, { name: args.volumeName }, { parent: this });
    const image = args.engine.pulled(name, args.image, this);
    this.written = Object.entries(args.secrets).map(
      ([file, content]) =>
        new command.local.Command(
          `${name}-${file}`,
          {
            create: [
              "docker run --rm --interactive --user 0:0 --network none --read-only --cap-drop ALL --cap-add CHOWN",
              '--volume "$VOLUME:/run/secrets" --entrypoint sh "$IMAGE" -c',
              `'umask 077; cat > "/run/secrets/.$1.partial" && chown "$2" "/run/secrets/.$1.partial"`,
              `&& mv "/run/secrets/.$1.partial" "/run/secrets/$1"' sh "$FILE" "$OWNER"`,
            ].join(" "),
            stdin: pulumi.secret(content),
            environment: { ...args.engine.environment, IMAGE: image, VOLUME: volume.name, FILE: file, OWNER: args.user },
            triggers: [args.image, args.user],
          },
          { parent: this },
        ),
    );
    this.mount = { type: "volume", source: volume.name, target: "/run/secrets", readOnly: true };
    this.registerOutputs({});
  }
}
