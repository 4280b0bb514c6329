/** Every setting of a stack: type, default and description. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { services } from "../catalog";
import { DEFAULT_VARIANT, VARIANT_NAMES } from "../variants";
import { hubModels } from "./hub-models";

const DIGEST_REFERENCE = /^\S+@sha256:[0-9a-f]{64}$/;
const DOCKER = "docker";

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The settings that must be encrypted in a stack file, as paths. */
export const SECRET_SETTINGS = [["tmdbApiKey"], ["models", "token"], ["registryLogin", "password"]] as const;

/** The settings that hold one value per service. */
export const PER_SERVICE = ["memoryMegabytes", "gpuDevices", "gpuMemoryMegabytes", "stages"] as const;

/** The JSON schema of each stage's settings, as the stage exports it. */
function readStageSchemas(): Record<string, JsonSchema> {
  const stages = readdirSync(DOCKER).filter((name) => existsSync(path.join(DOCKER, name, "settings.schema.json")));
  return Object.fromEntries(
    stages.map((name) => [
      name,
      JSON.parse(readFileSync(path.join(DOCKER, name, "settings.schema.json"), "utf8")) as JsonSchema,
    ]),
  );
}

const stageSchemas = readStageSchemas();
const serviceNames = services.map(({ name }) => name);
const gpuServices = services.filter(({ service }) => service.gpu !== undefined).map(({ name }) => name);

const baseImage = z.string().regex(DIGEST_REFERENCE, "not pinned by a digest");
const text = z.string().min(1);
/** A secret output: its type fits no plain string, only inputs of resources, which Pulumi encrypts. */
const secret = text.transform((value) => pulumi.secret(value));

/** An object with one optional value per service. */
function perService<Value extends z.ZodType>(names: readonly string[], value: Value, what: string) {
  const one = value.optional();
  return z
    .strictObject(Object.fromEntries(names.map((name) => [name, one.describe(`${what} of service ${name}`)])))
    .prefault({});
}

const megabytes = (least: number) => z.number().int().min(least);

const GPU_ID = /^((\d|[1-9]\d)(:\d+)?|(GPU|MIG)-[\w/-]+)$/;
// `pulumi config set --path` writes digits as a number.
const gpuId = z.union([z.string().regex(GPU_ID, "not the index or the UUID of a GPU"), z.number().int().min(0).max(99).transform(String)]);

/** The GPUs of one service or of all; MIG devices are named like GPUs. */
const gpuDevices = z.union([z.literal("all"), z.number().int().min(1).max(64), z.array(gpuId).min(1)], {
  error: "not all, a count or a list",
});

const gpu = z.strictObject({
  devices: gpuDevices
    .prefault("all")
    .describe("GPUs of the services with a model: all, a count (the first ones), or a list of indices and UUIDs"),
  driver: z
    .enum(["nvidia", "cdi"])
    .default("nvidia")
    .describe("how containers get GPUs: by NVIDIA's runtime hook, or by CDI (engine 25 or newer)"),
  memoryMegabytes: z
    .number()
    .int()
    .min(1024)
    .optional()
    .describe(
      "memory of one GPU in MiB; the deployment stops if services pinned to a set of GPUs need more memory than the set has. " +
        "Default: as the host's driver reports it",
    ),
});

const models = z.strictObject({
  source: z
    .enum(["packaged", "hub"])
    .default("packaged")
    .describe("packaged: the models in the image `models`; hub: additionally those of the model hub"),
  endpoint: z
    .string()
    .regex(/^https?:\/\/\S+$/, "not the address of a hub")
    .optional()
    .describe("URL of the model hub, such as https://hub.example.org. Default: huggingface.co"),
  token: secret.optional().describe("token for gated models of the hub; only the download sees it"),
  leaveOut: z
    .array(z.enum(hubModels.map(({ repository }) => repository)))
    .default([])
    .describe("models of the hub that are not downloaded"),
});

const films = z.strictObject({
  in: text.default("films/in").describe("folder with the films, read-only for containers"),
  out: text.default("films/out").describe("folder for jobs and results"),
  config: text.default("films/config").describe("folder with files for the stages, read-only for containers"),
});

export const schema = z.strictObject({
  registry: z
    .string()
    .regex(/^[\w.-]+(:\d+)?$/, "not host or host:port")
    .default("127.0.0.1:5000")
    .describe("host and port of the registry for the images and BuildKit's cache"),
  registryLogin: z
    .strictObject({
      username: text.describe("user that pushes to the registry and pulls from it"),
      password: secret.describe("the user's password or token"),
    })
    .optional()
    .describe("login for the registry, if it requires one"),
  registryTls: z
    .boolean()
    .optional()
    .describe(
      "Set false for plain HTTP. Default: true, except on loopback. Only the preflight reads it; " +
        "docs/hosts.md says how to configure engine and builder.",
    ),
  namespace: z
    .string()
    .regex(/^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*)*$/, "not a repository path")
    .default("rajiup")
    .describe("repository path in front of the image names, in lower case"),
  host: z
    .string()
    .regex(/^ssh:\/\/([\w.-]+@)?[\w.-]+(:\d+)?$/, "not ssh://user@machine")
    .optional()
    .describe("remote machine with the engine that runs the services, as ssh://user@machine. Default: this machine"),
  variant: z
    .enum(VARIANT_NAMES)
    .default(DEFAULT_VARIANT)
    .describe("hardware that the images are built for; cuda-slim uses the host's torch instead of one in the images"),
  platform: z
    .enum(["linux/amd64"])
    .default("linux/amd64")
    .describe("platform of the images; the locked packages support only this one"),
  builder: z
    .string()
    .regex(/^[a-zA-Z][\w.-]*$/, "not a builder name")
    .default("cp-whisperx")
    .describe("name of the BuildKit builder (`docker buildx ls`)"),
  baseImages: z
    .strictObject({
      cpu: baseImage
        .default(
          "docker.io/library/python:3.11-slim@sha256:fa9b525a0be0c5ae5e6f2209f4be6fdc5a15a36fed0222144d98ac0d08f876d4",
        )
        .describe("image with Python 3.11 on Debian 12, as name@sha256:digest"),
      cuda: baseImage
        .optional()
        .describe("base image for the CUDA variants, such as nvidia/cuda with Python 3.11. Default: baseImages.cpu"),
    })
    .prefault({})
    .describe("the external images that all others are built on"),
  certificates: text
    .optional()
    .describe(
      "file of PEM certificates that builds and model downloads trust in addition to the base image's. " +
        "Default: the private CAs in the host's bundle",
    ),
  models: models.prefault({}).describe("where the models come from"),
  device: z
    .enum(["auto", "cuda", "cpu"])
    .default("auto")
    .describe("device for the stages with a model: a GPU if there is one (auto, cuda), or always the CPU (cpu)"),
  allowCpu: z
    .boolean()
    .default(true)
    .describe("whether a stage with a model may fall back to the CPU; if false, it does not start without a GPU"),
  gpu: gpu.prefault({}).describe("the GPUs of a CUDA stack"),
  gpuDevices: perService(gpuServices, gpuDevices, "GPUs").describe("GPUs per service. Default: gpu.devices"),
  gpuMemoryMegabytes: perService(gpuServices, megabytes(128), "GPU memory in MiB").describe(
    "GPU memory per service in MiB. Default: the figures in catalog.ts",
  ),
  shmMegabytes: z
    .number()
    .int()
    .min(64)
    .default(1024)
    .describe("size of /dev/shm of each service that uses a GPU, in MiB; torch passes data between processes in it"),
  native: z
    .strictObject({
      environment: text
        .optional()
        .describe("folder of the Python environment with torch on the engine's host, such as .bollyenv; required for cuda-slim"),
    })
    .prefault({})
    .describe("what variant cuda-slim uses from the host"),
  user: z
    .string()
    .regex(/^[1-9]\d*:[1-9]\d*$/, "not uid:gid in numbers, or root")
    .default("1000:1000")
    .describe("uid:gid that containers run as; owns the film output folder and the volumes; never root"),
  films: films.prefault({}).describe("folders on the engine's host; relative paths start at the program's folder"),
  logLevel: z.enum(["DEBUG", "INFO", "WARNING", "ERROR"]).default("INFO").describe("lowest level that is logged"),
  logFormat: z.enum(["text", "json"]).default("text").describe("text for people, json for a log collector"),
  startSeconds: z
    .number()
    .int()
    .min(10)
    .max(3600)
    .default(600)
    .describe("seconds that a deployment waits for a new container to become healthy"),
  stopSeconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .default(60)
    .describe("seconds that a stopped container has to requeue its job before it is killed"),
  memoryMegabytes: perService(serviceNames, megabytes(64), "memory limit in MiB").describe(
    "memory limit per service in MiB. Default: the figures in catalog.ts",
  ),
  stages: z
    .strictObject(
      Object.fromEntries(
        Object.entries(stageSchemas).map(([name, stage]) => [
          name,
          z.fromJSONSchema(stage as Parameters<typeof z.fromJSONSchema>[0]).optional(),
        ]),
      ),
    )
    .prefault({})
    .describe("settings of the stages, by the names that their --help shows"),
  tmdbApiKey: secret.optional().describe("key for themoviedb.org; without it tmdb works offline"),
});

/** A value of a stage setting; the container gets it as an environment variable. */
export type StageSetting = string | number | boolean;

/** Settings with their defaults, before the check for contradictions. */
export type Valid = z.output<typeof schema>;

/** Validated settings with their defaults; `stages` holds only what the stack sets. */
export type Settings = Omit<Valid, (typeof PER_SERVICE)[number]> & {
  readonly memoryMegabytes: Readonly<Record<string, number | undefined>>;
  readonly gpuDevices: Readonly<Record<string, z.output<typeof gpuDevices> | undefined>>;
  readonly gpuMemoryMegabytes: Readonly<Record<string, number | undefined>>;
  readonly stages: Readonly<Record<string, Readonly<Record<string, StageSetting>>>>;
  readonly stack: string;
};

/** The settings' JSON schema: the source of docs/settings.md and of the report's hints. */
export const settingsJsonSchema: JsonSchema = (() => {
  const generated = z.toJSONSchema(schema, { io: "input" });
  const stages = { ...(generated.properties?.stages as JsonSchema), properties: stageSchemas };
  return { ...generated, properties: { ...generated.properties, stages } };
})();
