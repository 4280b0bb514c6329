import { randomUUID } from "node:crypto";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

/** Where every container finds the shared models. */
export const MODEL_CACHE_PATH = "/models";

/**
 * The mount of the model cache and every variable that a library looks for its models by, together: a mount that no
 * variable points to is how containers come to download their models again.
 */
export function modelCacheAccess(
  volume: pulumi.Input<string>,
  readOnly: boolean,
): { mount: docker.types.input.ContainerMount; environment: Record<string, string> } {
  return {
    mount: { type: "volume", source: volume, target: MODEL_CACHE_PATH, readOnly },
    environment: {
      MODEL_CACHE: MODEL_CACHE_PATH,
      HF_HOME: `${MODEL_CACHE_PATH}/huggingface`,
      HF_HUB_CACHE: `${MODEL_CACHE_PATH}/huggingface/hub`,
      HF_HUB_OFFLINE: "1",
      TORCH_HOME: `${MODEL_CACHE_PATH}/torch`,
      NLTK_DATA: `${MODEL_CACHE_PATH}/nltk`,
      XDG_CACHE_HOME: `${MODEL_CACHE_PATH}/cache`,
      SPACY_DATA: `${MODEL_CACHE_PATH}/spacy`,
      WHISPER_CACHE: `${MODEL_CACHE_PATH}/whisper`,
      PYANNOTE_CACHE: `${MODEL_CACHE_PATH}/pyannote`,
    },
  };
}

const IDENTITY_LABEL = "cp-whisperx.identity";

const READ_IDENTITY = `set -eu
found=$(docker volume ls --quiet --filter "name=^$VOLUME$")
if [ -z "$found" ]; then echo "$FRESH"; exit; fi
docker volume inspect --format '{{or (index .Labels "${IDENTITY_LABEL}") "unlabelled"}}' "$VOLUME"`;

/**
 * What tells the volume from another one that is made later under the same name: the label it was made with, a fresh
 * one where there is no such volume. The time of its making does not: older engines report when it last changed.
 */
function volumeIdentity(volumeName: string, parent: pulumi.Resource): pulumi.Output<string> {
  const environment = { VOLUME: volumeName, FRESH: randomUUID() };
  const logging = command.local.Logging.None;
  return command.local.runOutput({ command: READ_IDENTITY, environment, logging }, { parent }).stdout;
}

export interface ModelCacheArgs {
  /** Name of the volume in the engine; another name is another, empty cache. */
  readonly volumeName: string;
  /** `repository@digest` of the image that holds the packaged models. */
  readonly modelsImage: pulumi.Input<string>;
  /** uid:gid that owns the models. */
  readonly user: string;
}

/**
 * The volume with the models of all stages, filled once from the `models` image: it copies what the volume lacks and
 * repairs what does not match its checksum.
 */
export class ModelCache extends pulumi.ComponentResource {
  public readonly volumeName: pulumi.Output<string>;
  /** Resolves when the models are there; stages that read them depend on it. */
  public readonly filled: command.local.Command;

  constructor(name: string, args: ModelCacheArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:ModelCache", name, {}, options);
    const identity = volumeIdentity(args.volumeName, this);
    const volume = new docker.Volume(
      name,
      { name: args.volumeName, labels: [{ label: IDENTITY_LABEL, value: identity }] },
      // Gigabytes of downloads: no destroy and no refactoring of the program may take them along.
      { parent: this, protect: true, retainOnDelete: true, ignoreChanges: ["labels"] },
    );
    this.volumeName = volume.name;
    this.filled = new command.local.Command(
      `${name}-fill`,
      {
        create: [
          'docker run --rm --user "$USER_AND_GROUP" --read-only --network none --cap-drop ALL',
          `--security-opt no-new-privileges --volume "$VOLUME:${MODEL_CACHE_PATH}" "$IMAGE"`,
        ].join(" "),
        environment: { IMAGE: args.modelsImage, VOLUME: volume.name, USER_AND_GROUP: args.user },
        triggers: [args.modelsImage, identity],
      },
      { parent: this, deleteBeforeReplace: true, customTimeouts: { create: "30m" } },
    );
    this.registerOutputs({ volumeName: this.volumeName });
  }
}
