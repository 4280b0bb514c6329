import type * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import type { Access } from "./access";
import type { VolumesArgs } from "./args";
import { dockerRun, oneShot } from "./one-shot";
import { prefetch } from "./prefetch";
import { declareVolume, MAKE_VOLUME, OWN_VOLUME } from "./volume";

/** Mount point of the model cache in every container. */
const MODEL_CACHE_PATH = "/models";

const HUB_ENVIRONMENT = {
  MODEL_CACHE: MODEL_CACHE_PATH,
  HF_HOME: `${MODEL_CACHE_PATH}/huggingface`,
  HF_HUB_CACHE: `${MODEL_CACHE_PATH}/huggingface/hub`,
};

/** The variables by which libraries find their models. Services never download any. */
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

// Without nocopy an empty volume would get the owner of the image's folder.
const FILL = dockerRun({ user: '"$OWNER"', volumes: [`$VOLUME:${MODEL_CACHE_PATH}:nocopy`] });

export interface ModelCache extends Access {
  readonly volumeName: pulumi.Output<string>;
}

/**
 * The volume with the models of all stages. The `models` image fills it, once for each version of its sources: it copies missing
 * files and replaces those with a wrong checksum. Models of the hub are downloaded before the services that use them start.
 */
export function modelCache(args: VolumesArgs, parent: pulumi.Resource): ModelCache {
  const { settings, engine, images, identities } = args;
  const name = "model-cache";
  const options = { parent, aliases: [movedFrom("cp-whisperx:volumes:ModelCache", name)] };
  const { identity, volumeName } = identities.volume(name);
  const models = images.named("models");
  // Keeps gigabytes of downloads on `pulumi destroy`: the next up finds the volume by its name.
  const volume = declareVolume(name, { identity, volumeName }, { ...options, retainOnDelete: true });
  const packaged = oneShot(
    `${name}-fill`,
    {
      engine,
      image: models.reference,
      create: [MAKE_VOLUME, OWN_VOLUME, FILL].join(" && "),
      environment: { VOLUME: volume.name, OWNER: settings.user },
      identity,
      triggers: [models.tag, settings.user],
    },
    { ...options, customTimeouts: { create: "30m" } },
  );
  const cache = { volume: volume.name, identity, path: MODEL_CACHE_PATH, environment: HUB_ENVIRONMENT };
  const fetched = settings.models.source === "hub" ? [prefetch(`${name}-prefetch`, args, cache, { ...options, dependsOn: packaged })] : [];
  return {
    volumeName: volume.name,
    mounts: [{ type: "volume", source: volume.name, target: MODEL_CACHE_PATH, readOnly: true }],
    environment: { ...CACHE_ENVIRONMENT, MODELS_SOURCE: settings.models.source },
    identities: [identity],
    ready: [packaged, ...fetched],
  };
}
