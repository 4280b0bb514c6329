/**
 * All images as pure data. The settings, the plan, the resources, the tests, the outputs and the tables in docs/ derive from
 * this table. What an image's Dockerfile says is not repeated here.
 */
import { VARIANT_NAMES, type Variant } from "./variants";

/** What a service made from an image needs at run time. */
export interface ServiceNeeds {
  /** Memory limit of the container in MiB; above it the kernel kills the worker, and the job is retried. */
  readonly memoryMegabytes: number;
  /** Present if its models can use a GPU. Default: CPU in every variant. */
  readonly gpu?: {
    /** GPU memory of its models in MiB. */
    readonly memoryMegabytes: number;
  };
  /** Whether it reads the shared model cache. Default: false. */
  readonly models?: boolean;
  /** Whether it uses the internet at run time, if the stack has its secrets. Default: false. */
  readonly internet?: boolean;
  /** Names of the secrets that it reads as files below /run/secrets. Default: none. Example: `["tmdb_api_key"]`. */
  readonly secrets?: readonly string[];
}

/** One image: its build context is the folder docker/<name>. */
export interface CatalogImage {
  readonly name: string;
  readonly description: string;
  /** Base image (build argument `BASE_IMAGE`): one of this table, `external` (setting baseImages) or `scratch`. */
  readonly parent: string;
  /** Parents of single variants. Default: `parent`. Example: `{ cuda: "base-ml" }`. */
  readonly parentOfVariant?: Readonly<Partial<Record<Variant, string>>>;
  /** The variants that it can be built in. Default: cpu. An image with several gets the build argument `VARIANT`. */
  readonly variants?: readonly Variant[];
  /** Additional tags of single variants. Example: `{ cuda: ["cuda-full"] }`. */
  readonly tagsOfVariant?: Readonly<Partial<Record<Variant, readonly string[]>>>;
  /** Present if the image runs as a service. */
  readonly service?: ServiceNeeds;
}

/** Parents that are not in this table. */
export const EXTERNAL = "external";
export const SCRATCH = "scratch";

/** The images that fill the model cache, by the setting models.source. */
export const MODEL_IMAGES = {
  packaged: ["models"],
  hub: ["models", "prefetch"],
} as const satisfies Record<string, readonly string[]>;

/** An image that runs as a service. */
export type Service = CatalogImage & { readonly service: ServiceNeeds };

/** The job queue of the stages' workers. */
export const queue: Service = {
  name: "queue",
  parent: "base",
  description: "Redis, the job queue",
  service: { memoryMegabytes: 256 },
};

const stage = (
  name: string,
  parent: string,
  description: string,
  service: ServiceNeeds,
): Service => ({ name, parent, description, service });

/** A stage with a build for every variant, because it imports the libraries of that variant. */
const modelStage = (...args: Parameters<typeof stage>): Service => ({ ...stage(...args), variants: VARIANT_NAMES });

/** base-whisper is only for CPUs: in the CUDA variants ctranslate2 is part of base-ml. */
const whisperStage = (name: string, description: string, service: ServiceNeeds): CatalogImage => ({
  ...modelStage(name, "base-whisper", description, service),
  parentOfVariant: { cuda: "base-ml", "cuda-slim": "base-ml" },
});

export const catalog: readonly CatalogImage[] = [
  {
    name: "base",
    parent: EXTERNAL,
    description: "Python, tini, the unprivileged user and the packages that every stage shares",
    variants: ["cpu", "cuda"],
  },
  {
    name: "build-tools",
    parent: EXTERNAL,
    description: "uv; mounted into builds, not part of other images",
  },
  {
    name: "common",
    parent: SCRATCH,
    description: "the Python package all stages share: job contract, worker, command line",
  },
  {
    name: "base-ffmpeg",
    parent: "base",
    description: "ffmpeg, shared by demux and mux",
  },
  {
    name: "base-spacy",
    parent: "base",
    description: "spaCy and rapidfuzz, shared by both entity stages",
  },
  {
    name: "base-ml",
    parent: "base",
    description: "numpy and onnxruntime, shared by all audio stages; with CUDA also torch and the Whisper packages",
    variants: VARIANT_NAMES,
    tagsOfVariant: { cuda: ["cuda-full"] },
  },
  {
    name: "base-whisper",
    parent: "base-ml",
    description: "faster-whisper and ctranslate2, shared by recognition and translation",
  },
  {
    name: "models",
    parent: "base",
    description: "the packaged models, converted and checked; fills the model cache",
  },
  {
    name: "prefetch",
    parent: "base",
    description: "downloads models of pinned revisions from the model hub into the model cache",
  },
  queue,
  stage("demux", "base-ffmpeg", "extracts the audio as 16 kHz mono", { memoryMegabytes: 512 }),
  stage("tmdb", "base", "title, cast and crew of the film", {
    memoryMegabytes: 256,
    internet: true,
    secrets: ["tmdb_api_key"],
  }),
  stage("pre-ner", "base-spacy", "names to expect in the dialogue", {
    memoryMegabytes: 1024,
    models: true,
  }),
  modelStage("silero-vad", "base-ml", "voice activity detection", {
    memoryMegabytes: 1024,
    models: true,
  }),
  modelStage("pyannote-vad", "base-ml", "voice activity detection, refined", {
    memoryMegabytes: 2048,
    gpu: { memoryMegabytes: 1024 },
    models: true,
  }),
  modelStage("diarization", "base-ml", "speaker diarization: who speaks when", {
    memoryMegabytes: 2048,
    gpu: { memoryMegabytes: 2048 },
    models: true,
  }),
  whisperStage("asr", "speech recognition with word timestamps", {
    memoryMegabytes: 4096,
    gpu: { memoryMegabytes: 6144 },
    models: true,
  }),
  whisperStage("second-pass-translation", "translation of foreign speech", {
    memoryMegabytes: 4096,
    gpu: { memoryMegabytes: 4096 },
    models: true,
  }),
  modelStage("lyrics-detection", "base-ml", "music and lyrics detection", {
    memoryMegabytes: 2048,
  }),
  stage("post-ner", "base-spacy", "corrects names in the text", {
    memoryMegabytes: 1024,
    models: true,
  }),
  stage("subtitle-gen", "base", "text to subtitles", { memoryMegabytes: 256 }),
  stage("mux", "base-ffmpeg", "film with its subtitle track", { memoryMegabytes: 512 }),
];

/** The services that every stack runs: the queue, and a worker of each stage. */
export const services = catalog.filter((image): image is Service => image.service !== undefined);

export const stages = services.filter((service) => service !== queue);
