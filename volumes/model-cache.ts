import { randomUUID } from "node:crypto";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../services/engine";
import { prefetch, type HubArgs } from "./prefetch";

/** Where every container finds the shared models. */
const MODEL_CACHE_PATH = "/models";

const HUB_ENVIRONMENT = {
  MODEL_CACHE: MODEL_CACHE_PATH,
  HF_HOME: `${MODEL_CACHE_PATH}/huggingface`,
  HF_HUB_CACHE: `${MODEL_CACHE_PATH}/huggingface/hub`,
};

/** Every variable that a library looks for its models by. A service never downloads one. */
const CACHE_ENVIRONMENT = {
  ...HUB_ENVIRONMENT,
  HF_HUB_OFFLINE: "1",
  TORCH_HOME: `${MODEL_CACHE_PATH}/torch`,
  NLTK_DATA: `${MODEL_CACHE_PATH}/nltk`,
  XDG_CACHE_HOME: `${MODEL_CACHE_PATH}/cache`,
  SPACY_DATA: `${MODEL_CACHE_PATH}/spacy`,
  WHISPER_CACHE: `${MODEL_CACHE_PATH}/whisper`,
  PYANNOTE_CACHE: `${MODEL_CACHE_PATH}/pyannote`,
};

/** What a service gets of the model cache: a mount, and what points to it. */
export interface ModelCacheAccess {
  readonly mounts: docker.types.input.ContainerMount[];
  readonly environment: Readonly<Record<string, string>>;
}

/** services/preflight.sh reads it. */
const IDENTITY_LABEL = "cp-whisperx.identity";

export interface ModelCacheArgs {
  readonly engine: Engine;
  /** Name of the volume in the engine; another name is another, empty cache. */
  readonly volumeName: string;
  /**
   * What tells the volume from another one that is made later under the same name: the label it was made with, empty where there
   * is no such volume. Undefined where no engine says it: it is then taken for unchanged.
   */
  readonly identity?: string;
  /** `repository@digest` of the image that holds the packaged models. */
  readonly modelsImage: pulumi.Input<string>;
  /** The models that come from the hub, beside the packaged ones. */
  readonly hub?: HubArgs;
  /** uid:gid that owns the models. */
  readonly user: string;
}

/**
 * The volume with the models of all stages, filled once from the `models` image: it copies what the volume lacks and
 * repairs what does not match its checksum. Models of the hub are fetched into it before any service runs
 * that reads models.
 */
export class ModelCache extends pulumi.ComponentResource {
  public readonly volumeName: pulumi.Output<string>;
  /**
   * The mount and its variables, together: a mount that no variable points to is how containers come to download their
   * models again.
   */
  public readonly access: ModelCacheAccess;
  /** Resolve when the models are there; stages that read them depend on them. */
  public readonly filled: command.local.Command[];

  constructor(name: string, args: ModelCacheArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:ModelCache", name, {}, { ...options, ...args.engine.options });
    const { engine, hub, user } = args;
    const identity = args.identity === "" ? randomUUID() : args.identity;
    const volume = new docker.Volume(
      name,
      { name: args.volumeName, labels: [{ label: IDENTITY_LABEL, value: identity ?? "" }] },
      // Gigabytes of downloads: no destroy and no refactoring of the program may take them along.
      { parent: this, protect: true, retainOnDelete: true, ignoreChanges: ["labels"] },
    );
    this.volumeName = volume.name;
    const packaged = new command.local.Command(
      `${name}-fill`,
      {
        create: [
          'docker run --rm --user "$USER_AND_GROUP" --read-only --network none --cap-drop ALL',
          `--security-opt no-new-privileges --volume "$VOLUME:${MODEL_CACHE_PATH}" "$IMAGE"`,
        ].join(" "),
        environment: {
          ...engine.environment,
          IMAGE: engine.pulled(name, args.modelsImage, this),
          VOLUME: volume.name,
          USER_AND_GROUP: user,
        },
        triggers: [args.modelsImage, identity],
      },
      {
        parent: this,
        deleteBeforeReplace: true,
        customTimeouts: { create: "30m" },
        ignoreChanges: identity === undefined ? ["triggers[1]"] : [],
      },
    );
    const cache = { volume: volume.name, volumeIdentity: identity, cachePath: MODEL_CACHE_PATH, cacheEnvironment: HUB_ENVIRONMENT };
    const fetched = hub && prefetch(`${name}-prefetch`, { ...hub, ...cache, user, engine }, this, packaged);
    this.filled = fetched === undefined ? [packaged] : [packaged, fetched];
    this.access = {
      mounts: [{ type: "volume", source: volume.name, target: MODEL_CACHE_PATH, readOnly: true }],
      environment: { ...CACHE_ENVIRONMENT, MODELS_SOURCE: hub === undefined ? "packaged" : "hub" },
    };
    this.registerOutputs({ volumeName: this.volumeName });
  }
}
