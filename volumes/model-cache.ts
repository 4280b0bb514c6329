import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { StageImage } from "../images/image";
import type { Engine } from "../host/engine";
import type { Identity, NamedVolume } from "./identities";
import { dockerRun, oneShot } from "./one-shot";
import { prefetch, type HubArgs } from "./prefetch";
import { declareVolume, MAKE_VOLUME, OWN_VOLUME } from "./volume";

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

// An empty volume would take over the owner of the image's folder, but for nocopy.
const FILL = dockerRun({ user: '"$OWNER"', volumes: [`$VOLUME:${MODEL_CACHE_PATH}:nocopy`] });

export interface ModelCacheArgs {
  readonly engine: Engine;
  /** Another name is another, empty cache. */
  readonly volume: NamedVolume;
  /** The image that holds the packaged models: `repository@digest`, and the tag that names its sources. */
  readonly models: Pick<StageImage, "reference" | "tag">;
  /** The models that come from the hub, beside the packaged ones. */
  readonly hub?: HubArgs;
  /** uid:gid that owns the models. */
  readonly user: string;
}

/**
 * The volume with the models of all stages, filled from the `models` image once for each content of its sources: it copies what
 * the volume lacks and repairs what does not match its checksum. Models of the hub are fetched into it before any service
 * runs that reads models.
 */
export class ModelCache extends pulumi.ComponentResource {
  public readonly volumeName: pulumi.Output<string>;
  public readonly identity: Identity;
  /**
   * The mount and its variables, together: a mount that no variable points to is how containers come to download their
   * models again.
   */
  public readonly access: ModelCacheAccess;
  /** Resolve when the models are there; stages that read them depend on them. */
  public readonly filled: command.local.Command[];

  constructor(name: string, args: ModelCacheArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:ModelCache", name, {}, { ...options, ...args.engine.options });
    const { engine, hub, user, models } = args;
    const { identity } = args.volume;
    // Gigabytes of downloads outlive `pulumi destroy`: the next up finds the volume by its name.
    const volume = declareVolume(name, args.volume, { parent: this, retainOnDelete: true });
    this.volumeName = volume.name;
    this.identity = identity;
    const packaged = oneShot(
      `${name}-fill`,
      {
        engine,
        image: models.reference,
        create: [MAKE_VOLUME, OWN_VOLUME, FILL].join(" && "),
        environment: { VOLUME: volume.name, OWNER: user },
        identity,
        triggers: [models.tag, user],
      },
      { parent: this, customTimeouts: { create: "30m" } },
    );
    const cache = { volume: volume.name, identity, cachePath: MODEL_CACHE_PATH, cacheEnvironment: HUB_ENVIRONMENT };
    const fetched = hub && prefetch(`${name}-prefetch`, { ...hub, ...cache, user, engine }, this, packaged);
    this.filled = fetched === undefined ? [packaged] : [packaged, fetched];
    this.access = {
      mounts: [{ type: "volume", source: volume.name, target: MODEL_CACHE_PATH, readOnly: true }],
      environment: { ...CACHE_ENVIRONMENT, MODELS_SOURCE: hub === undefined ? "packaged" : "hub" },
    };
    this.registerOutputs({ volumeName: this.volumeName });
  }
}
