/** The settings of a stack: the only reader of `pulumi.Config`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { catalog } from "./images/catalog";

const DIGEST_REFERENCE = /^\S+@sha256:[0-9a-f]{64}$/;

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The JSON schema of each stage's own settings, as the stage exports it. */
function readStageSchemas(): Record<string, JsonSchema> {
  const folder = path.join(__dirname, "docker");
  const stages = readdirSync(folder).filter((name) => existsSync(path.join(folder, name, "settings.schema.json")));
  return Object.fromEntries(
    stages.map((name) => [
      name,
      JSON.parse(readFileSync(path.join(folder, name, "settings.schema.json"), "utf8")) as JsonSchema,
    ]),
  );
}

const stageSchemas = readStageSchemas();
const services = catalog.filter((image) => image.service !== undefined).map((image) => image.name);

const schema = z.strictObject({
  registry: z
    .string()
    .regex(/^[\w.-]+(:\d+)?$/, "not host or host:port")
    .default("127.0.0.1:5000")
    .describe("host and port of the registry that keeps the images and BuildKit's cache"),
  namespace: z
    .string()
    .regex(/^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*)*$/, "not a repository path")
    .default("rajiup")
    .describe("repository path in front of the image names, in lower case"),
  variant: z.enum(["cpu"]).default("cpu").describe("kind of hardware that the images are built for"),
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
      cpu: z
        .string()
        .regex(DIGEST_REFERENCE, "not pinned by a digest")
        .default(
          "docker.io/library/python:3.11-slim@sha256:fa9b525a0be0c5ae5e6f2209f4be6fdc5a15a36fed0222144d98ac0d08f876d4",
        )
        .describe("image with Python 3.11 on Debian 12, as name@sha256:digest"),
    })
    .prefault({})
    .describe("the images from outside that the hierarchy starts from"),
  certificates: z
    .string()
    .min(1)
    .optional()
    .describe("file of PEM certificates that builds trust beside the base image's own"),
  user: z
    .string()
    .regex(/^[1-9]\d*:[1-9]\d*$/, "not uid:gid in numbers, or root")
    .default("1000:1000")
    .describe("uid:gid that containers run as; owns the film output folder and the volumes; never root"),
  films: z
    .strictObject({
      in: z.string().min(1).default("films/in").describe("folder with the films, which containers only read"),
      out: z.string().min(1).default("films/out").describe("folder for jobs and results"),
      config: z.string().min(1).default("films/config").describe("folder with files the stages may read"),
    })
    .prefault({})
    .describe("folders on the engine's host; relative ones start at the program"),
  logLevel: z.enum(["DEBUG", "INFO", "WARNING", "ERROR"]).default("INFO").describe("least severe event that is logged"),
  logFormat: z.enum(["text", "json"]).default("text").describe("lines for people or for a log collector"),
  healthcheckSeconds: z
    .number()
    .int()
    .min(1)
    .max(300)
    .default(3)
    .describe("seconds between two health checks of a container; a start waits for the first"),
  stopSeconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .default(10)
    .describe("seconds a stopped container has to give its job back before it is killed"),
  memoryMegabytes: z
    .strictObject(
      Object.fromEntries(
        services.map((name) => [
          name,
          z.number().int().min(64).optional().describe(`memory limit of service ${name} in MiB`),
        ]),
      ),
    )
    .prefault({})
    .describe("memory limits that differ from the catalogue's, per service"),
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
  tmdbApiKey: z.string().min(1).optional().describe("key for themoviedb.org; without it tmdb works offline"),
});

const SECRET_SETTINGS = ["tmdbApiKey"];

/** A value of a stage setting, as it will stand in the container's environment. */
export type StageSetting = string | number | boolean;

/** Validated settings with their defaults; `stages` holds only what the stack sets. */
export type Settings = Omit<z.output<typeof schema>, "stages" | "memoryMegabytes"> & {
  readonly memoryMegabytes: Readonly<Record<string, number | undefined>>;
  readonly stages: Readonly<Record<string, Readonly<Record<string, StageSetting>>>>;
  readonly stack: string;
};

/** The settings' JSON schema, from which the README's table and the report's hints are made. */
export const settingsJsonSchema: JsonSchema = (() => {
  const generated = z.toJSONSchema(schema, { io: "input" });
  const stages = { ...(generated.properties?.stages as JsonSchema), properties: stageSchemas };
  return { ...generated, properties: { ...generated.properties, stages } };
})();

/** Everything that is wrong with a stack's settings, in one message. */
export class SettingsError extends pulumi.RunError {}

interface Problem {
  readonly path: readonly string[];
  readonly message: string;
  readonly unknown?: boolean;
}

/** Config as Pulumi hands it to a program: full key to text (JSON where it is not a string). */
export interface RawConfig {
  readonly project: string;
  readonly stack: string;
  readonly values: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
}

function describeAt(keys: readonly string[]): JsonSchema | undefined {
  return keys.reduce<JsonSchema | undefined>(
    (found, key) => found?.properties?.[key] as JsonSchema | undefined,
    settingsJsonSchema,
  );
}

/** What the schema allows, in words: for the report and for the README's table. */
export function allowed(description: JsonSchema): string {
  if (description.enum !== undefined) return `one of ${description.enum.join(", ")}`;
  if (description.anyOf !== undefined) return description.anyOf.map((one) => allowed(one)).join(" or ");
  if (description.properties !== undefined) return `the keys ${Object.keys(description.properties).join(", ")}`;
  const bounds = [
    description.minimum === undefined ? "" : `at least ${description.minimum}`,
    description.exclusiveMinimum === undefined ? "" : `more than ${description.exclusiveMinimum}`,
    // zod bounds every integer by the largest safe one, which tells a reader nothing.
    description.maximum === undefined || description.maximum === Number.MAX_SAFE_INTEGER
      ? ""
      : `at most ${description.maximum}`,
  ];
  return [String(description.type ?? "any value"), ...bounds].filter((part) => part !== "").join(", ");
}

function fullKey(project: string, keys: readonly string[]): string {
  return `${project}:${keys.join(".")}`;
}

function example(description: JsonSchema | undefined): string {
  const value = description?.default ?? description?.enum?.[0] ?? (description?.type === "integer" ? description.minimum : undefined);
  return value === undefined || typeof value === "object" ? "VALUE" : JSON.stringify(value);
}

function valueAt(values: Readonly<Record<string, unknown>>, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (found, key) => (typeof found === "object" && found !== null ? (found as Record<string, unknown>)[key] : undefined),
    values,
  );
}

function reportLine(raw: RawConfig, values: Readonly<Record<string, unknown>>, problem: Problem): string {
  const key = fullKey(raw.project, problem.path);
  const isSecret = SECRET_SETTINGS.includes(problem.path[0] ?? "");
  const value = valueAt(values, problem.path);
  const schemaOfKey = describeAt(problem.path);
  const schemaOfParent = describeAt(problem.path.slice(0, -1));
  const pathFlag = problem.path.length > 1 ? "--path " : "";
  const hint = schemaOfKey === undefined ? undefined : [schemaOfKey.description, allowed(schemaOfKey)].filter(Boolean).join("; ");
  const mend = problem.unknown
    ? `pulumi config rm ${pathFlag}'${key}' --stack ${raw.stack}`
    : `pulumi config set ${isSecret ? "--secret " : ""}${pathFlag}'${key}' ${isSecret ? "VALUE" : example(schemaOfKey)} --stack ${raw.stack}`;
  return [
    `  ${key}: ${problem.message}`,
    `    value:   ${isSecret ? "[secret]" : (value === undefined ? "not set" : JSON.stringify(value))}`,
    `    allowed: ${problem.unknown ? (schemaOfParent === undefined ? "no such key" : allowed(schemaOfParent)) : hint}`,
    `    mend:    ${mend}`,
  ].join("\n");
}

function parseValue(key: string, text: string): unknown {
  const type = describeAt([key])?.type;
  if (type === "string" || type === undefined) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function problemsOf(error: z.ZodError): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const keys = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return [{ path: keys, message: issue.message }];
    return issue.keys.map((key) => ({ path: [...keys, key], message: "unknown setting", unknown: true }));
  });
}

function contradictions(raw: RawConfig, values: Readonly<Record<string, unknown>>): Problem[] {
  const plain = SECRET_SETTINGS.filter(
    (key) => values[key] !== undefined && !raw.secretKeys.includes(fullKey(raw.project, [key])),
  ).map((key) => ({ path: [key], message: "stands in the stack file in plain text" }));
  const films = { in: "films/in", out: "films/out", config: "films/config", ...(values.films as object | undefined) };
  const inside = (inner: string, outer: string): boolean => {
    const relative = path.relative(path.resolve(outer), path.resolve(inner));
    return relative === "" || (!relative.startsWith("..") && !path.isAbsolute(relative));
  };
  const overlapping = (["in", "config"] as const)
    .filter((key) => typeof films[key] === "string" && typeof films.out === "string")
    .filter((key) => inside(films[key], films.out) || inside(films.out, films[key]))
    .map((key) => ({
      path: ["films", key],
      message: `overlaps films.out (${films.out}), which containers write to`,
    }));
  return [...plain, ...overlapping];
}

/**
 * Validates a stack's configuration.
 * @throws SettingsError that names every unknown key, wrong value and contradiction at once, with the way out.
 */
export function parseSettings(raw: RawConfig): Settings {
  const prefix = `${raw.project}:`;
  const values = Object.fromEntries(
    Object.entries(raw.values)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, text]) => [key.slice(prefix.length), parseValue(key.slice(prefix.length), text)]),
  );
  const parsed = schema.safeParse(values);
  const problems = [...(parsed.success ? [] : problemsOf(parsed.error)), ...contradictions(raw, values)];
  if (!parsed.success || problems.length > 0) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const report = problems.map((problem) => reportLine(raw, values, problem)).join("\n\n");
    throw new SettingsError(`The settings of stack ${raw.stack} are not right (${count}):\n\n${report}\n`);
  }
  const stages = (values.stages ?? {}) as Settings["stages"];
  return { ...parsed.data, stages, stack: raw.stack };
}

/** The settings of the stack that runs. */
export function readSettings(): Settings {
  return parseSettings({
    project: pulumi.getProject(),
    stack: pulumi.getStack(),
    values: pulumi.runtime.allConfig(),
    secretKeys: JSON.parse(process.env.PULUMI_CONFIG_SECRET_KEYS ?? "[]") as string[],
  });
}
