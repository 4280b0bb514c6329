/**
 * The images as pure data: the one place where an image is described. The settings, the plan, the resources, the tests, the
 * outputs and the picture in the README all derive from this table. What an image's Dockerfile says stands there alone.
 */
import { VARIANT_NAMES, type Variant } from "./variants";

/** What a service made from an image needs at run time. */
export interface ServiceNeeds {
  /** Memory limit of the container in MiB; beyond it the kernel ends the worker and the job is tried again. */
  readonly memoryMegabytes: number;
  /** Present where its models run on a GPU; the others run on the CPU in every variant. */
  readonly gpu?: {
    /** GPU memory that its models take in MiB. */
    readonly memoryMegabytes: number;
  };
  /** Whether it reads the shared model cache. */
  readonly models?: boolean;
  /** Whether it calls the internet while it runs (only with the secrets it names). */
  readonly internet?: boolean;
  /** Names of the secrets that it reads as files below /run/secrets. */
  readonly secrets?: readonly string[];
}

/** One image: its context is the folder docker/<name>. */
export interface CatalogImage {
  readonly name: string;
  readonly description: string;
  /** Image that `BASE_IMAGE` names: one of this table, `external` (settings, baseImages) or `scratch`. */
  readonly parent: string;
  /** Parents of single variants where they differ from `parent`. */
  readonly parentOfVariant?: Readonly<Partial<Record<Variant, string>>>;
  /** The variants it can be built in, cpu alone where undefined; several reach its build as argument `VARIANT`. */
  readonly variants?: readonly Variant[];
  /** Tags of single variants beside the variant's own. */
  readonly tagsOfVariant?: Readonly<Partial<Record<Variant, readonly string[]>>>;
  /** Present where the image runs as a service. */
  readonly service?: ServiceNeeds;
}

/** Parents that are no image of this table. */
export const EXTERNAL = "external";
export const SCRATCH = "scratch";

/** The images that fill the model cache, by the setting models.source. */
export const MODEL_IMAGES = {
  packaged: ["models"],
  hub: ["models", "prefetch"],
} as const satisfies Record<string, readonly string[]>;

/** An image that runs as a service. */
export type Service = CatalogImage & { readonly service: ServiceNeeds };

/** The service that the stages' workers take their jobs from. */
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

/** A stage that is built in every variant: its build imports the libraries of that variant. */
const modelStage = (...args: Parameters<typeof stage>): Service => ({ ...stage(...args), variants: VARIANT_NAMES });

/** base-whisper is for CPUs: with torch beside it, or on the host, ctranslate2 is part of base-ml. */
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
    description: "uv, mounted into builds and part of no other image",
  },
  {
    name: "common",
    parent: SCRATCH,
    description: "the Python package all stages share: job contract, worker, command line",
  },
  {
    name: "base-ffmpeg",
    parent: "base",
    description: "ffmpeg, once for demux and mux",
  },
  {
    name: "base-spacy",
    parent: "base",
    description: "spaCy and rapidfuzz, once for both entity stages",
  },
  {
    name: "base-ml",
    parent: "base",
    description: "numpy and onnxruntime, once for all audio stages; with CUDA also torch and the Whisper packages",
    variants: VARIANT_NAMES,
    tagsOfVariant: { cuda: ["cuda-full"] },
  },
  {
    name: "base-whisper",
    parent: "base-ml",
    description: "faster-whisper and ctranslate2, once for recognition and translation",
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
  stage("demux", "base-ffmpeg", "film to 16 kHz mono speech track", { memoryMegabytes: 512 }),
  stage("tmdb", "base", "title, cast and crew of the film", {
    memoryMegabytes: 256,
    internet: true,
    secrets: ["tmdb_api_key"],
  }),
  stage("pre-ner", "base-spacy", "names to expect in the dialogue", {
    memoryMegabytes: 1024,
    models: true,
  }),
  modelStage("silero-vad", "base-ml", "where somebody speaks", {
    memoryMegabytes: 1024,
    models: true,
  }),
  modelStage("pyannote-vad", "base-ml", "where somebody speaks, refined", {
    memoryMegabytes: 2048,
    gpu: { memoryMegabytes: 1024 },
    models: true,
  }),
  modelStage("diarization", "base-ml", "who speaks when", {
    memoryMegabytes: 2048,
    gpu: { memoryMegabytes: 2048 },
    models: true,
  }),
  whisperStage("asr", "speech to text with word times", {
    memoryMegabytes: 4096,
    gpu: { memoryMegabytes: 6144 },
    models: true,
  }),
  whisperStage("second-pass-translation", "translation of foreign speech", {
    memoryMegabytes: 4096,
    gpu: { memoryMegabytes: 4096 },
    models: true,
  }),
  modelStage("lyrics-detection", "base-ml", "where music plays", {
    memoryMegabytes: 2048,
  }),
  stage("post-ner", "base-spacy", "names put right in the text", {
    memoryMegabytes: 1024,
    models: true,
  }),
  stage("subtitle-gen", "base", "text to subtitles", { memoryMegabytes: 256 }),
  stage("mux", "base-ffmpeg", "film with its subtitle track", { memoryMegabytes: 512 }),
];

/** The services that every stack runs: the queue, and a worker of each stage. */
export const services = catalog.filter((image): image is Service => image.service !== undefined);

export const stages = services.filter((service) => service !== queue);
