/** Every setting of a stack: its type, its default, and what it means. */
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

/** The settings that only stand encrypted in a stack's file, as paths. */
export const SECRET_SETTINGS = [["tmdbApiKey"], ["models", "token"], ["registryLogin", "password"]] as const;

/** The settings that hold one value per service. */
export const PER_SERVICE = ["memoryMegabytes", "gpuDevices", "gpuMemoryMegabytes", "stages"] as const;

/** The JSON schema of each stage's own settings, as the stage exports it. */
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
/** Compiles nowhere as a plain string: only as a resource's input, which Pulumi encrypts. */
const secret = text.transform((value) => pulumi.secret(value));

/** An object with one optional value for each of the services. */
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

/** The GPUs of one service or of all; a part of a GPU (MIG) is named like one. */
const gpuDevices = z.union([z.literal("all"), z.number().int().min(1).max(64), z.array(gpuId).min(1)], {
  error: "not all, a count or a list",
});

const gpu = z.strictObject({
  devices: gpuDevices
    .prefault("all")
    .describe("GPUs of the services with a model: all, how many (the first ones), or a list of their indices or UUIDs"),
  driver: z
    .enum(["nvidia", "cdi"])
    .default("nvidia")
    .describe("how the engine hands them over: NVIDIA's own hook, or CDI on engines from version 25"),
  memoryMegabytes: z
    .number()
    .int()
    .min(1024)
    .optional()
    .describe("memory of one GPU in MiB; with it, services that want more of their GPUs are refused before anything is built"),
});

const models = z.strictObject({
  source: z
    .enum(["packaged", "hub"])
    .default("packaged")
    .describe("packaged models alone, or those of the model hub beside them"),
  endpoint: z
    .string()
    .regex(/^https?:\/\/\S+$/, "not the address of a hub")
    .optional()
    .describe("address of the model hub, where it is not huggingface.co"),
  token: secret.optional().describe("token for gated models of the hub; fetching them alone sees it"),
  leaveOut: z
    .array(z.enum(hubModels.map(({ repository }) => repository)))
    .default([])
    .describe("models of the hub that are not fetched"),
});

const films = z.strictObject({
  in: text.default("films/in").describe("folder with the films, which containers only read"),
  out: text.default("films/out").describe("folder for jobs and results"),
  config: text.default("films/config").describe("folder with files the stages may read"),
});

export const schema = z.strictObject({
  registry: z
    .string()
    .regex(/^[\w.-]+(:\d+)?$/, "not host or host:port")
    .default("127.0.0.1:5000")
    .describe("host and port of the registry that keeps the images and BuildKit's cache"),
  registryLogin: z
    .strictObject({
      username: text.describe("user that pushes to the registry and pulls from it"),
      password: secret.describe("the user's password or token"),
    })
    .optional()
    .describe("login for the registry, where it wants one"),
  registryTls: z
    .boolean()
    .optional()
    .describe(
      "whether the registry speaks TLS; unless set, every one but this machine's own does. The preflight alone goes by it: " +
        "engine and builder are told of one without TLS as the README says",
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
    .describe("machine whose engine runs the services, as ssh://user@machine; without it this one"),
  variant: z
    .enum(VARIANT_NAMES)
    .default(DEFAULT_VARIANT)
    .describe("kind of hardware that the images are built for; cuda-slim has no torch, the host brings it"),
  platform: z
    .enum(["linux/amd64"])
    .default("linux/amd64")
    .describe("platform the images are built for; the locked packages are for this one"),
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
      cuda: baseImage.optional().describe("another one for the CUDA variants, such as nvidia/cuda with Python 3.11"),
    })
    .prefault({})
    .describe("the images from outside that the hierarchy starts from"),
  certificates: text
    .optional()
    .describe("file of PEM certificates that builds and downloads of models trust beside the base image's own"),
  models: models.prefault({}).describe("where the models come from"),
  device: z
    .enum(["auto", "cuda", "cpu"])
    .default("auto")
    .describe("what the stages with a model compute on: a GPU where there is one (auto, cuda), or the processor even so"),
  allowCpu: z
    .boolean()
    .default(true)
    .describe("whether such a stage works on the processor where it finds no GPU; otherwise it refuses to start"),
  gpu: gpu.prefault({}).describe("the GPUs of stacks with CUDA"),
  gpuDevices: perService(gpuServices, gpuDevices, "GPUs").describe("GPUs that differ from gpu.devices, per service"),
  gpuMemoryMegabytes: perService(gpuServices, megabytes(128), "GPU memory in MiB").describe(
    "GPU memory that differs from the catalogue's, per service",
  ),
  shmMegabytes: z
    .number()
    .int()
    .min(64)
    .default(1024)
    .describe("shared memory of each service that uses a GPU, in MiB; torch hands data over in it"),
  native: z
    .strictObject({
      environment: text.optional().describe("folder of the Python environment with torch on the engine's host (.bollyenv)"),
    })
    .prefault({})
    .describe("what variant cuda-slim takes from the host"),
  user: z
    .string()
    .regex(/^[1-9]\d*:[1-9]\d*$/, "not uid:gid in numbers, or root")
    .default("1000:1000")
    .describe("uid:gid that containers run as; owns the film output folder and the volumes; never root"),
  films: films.prefault({}).describe("folders on the engine's host; relative ones start at the program"),
  logLevel: z.enum(["DEBUG", "INFO", "WARNING", "ERROR"]).default("INFO").describe("least severe event that is logged"),
  logFormat: z.enum(["text", "json"]).default("text").describe("lines for people or for a log collector"),
  startSeconds: z
    .number()
    .int()
    .min(10)
    .max(3600)
    .default(600)
    .describe("seconds that a deployment waits for a new container to be healthy, before it fails"),
  stopSeconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .default(60)
    .describe("seconds a stopped container has to give its job back before it is killed"),
  memoryMegabytes: perService(serviceNames, megabytes(64), "memory limit in MiB").describe(
    "memory limits that differ from the catalogue's, per service",
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
    .describe("settings of the stages by the names their --help shows"),
  tmdbApiKey: secret.optional().describe("key for themoviedb.org; without it tmdb works offline"),
});

/** A value of a stage setting, as it will stand in the container's environment. */
export type StageSetting = string | number | boolean;

/** Settings with their defaults, before contradictions between them are looked for. */
export type Valid = z.output<typeof schema>;

/** Validated settings with their defaults; `stages` holds only what the stack sets. */
export type Settings = Omit<Valid, (typeof PER_SERVICE)[number]> & {
  readonly memoryMegabytes: Readonly<Record<string, number | undefined>>;
  readonly gpuDevices: Readonly<Record<string, z.output<typeof gpuDevices> | undefined>>;
  readonly gpuMemoryMegabytes: Readonly<Record<string, number | undefined>>;
  readonly stages: Readonly<Record<string, Readonly<Record<string, StageSetting>>>>;
  readonly stack: string;
};

/** The settings' JSON schema, from which the README's table and the report's hints are made. */
export const settingsJsonSchema: JsonSchema = (() => {
  const generated = z.toJSONSchema(schema, { io: "input" });
  const stages = { ...(generated.properties?.stages as JsonSchema), properties: stageSchemas };
  return { ...generated, properties: { ...generated.properties, stages } };
})();
