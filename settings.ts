/** The settings of a stack: the only reader of `pulumi.Config`. */
import * as pulumi from "@pulumi/pulumi";
import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { contradictions, type Problem, type Valid } from "./settings/contradictions";
import { schema, SECRET_SETTINGS, settingsJsonSchema, type JsonSchema, type Settings } from "./settings/schema";

export { settingsJsonSchema, type Settings, type StageSetting } from "./settings/schema";

/** Everything that is wrong with a stack's settings, in one message. */
export class SettingsError extends pulumi.RunError {}

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
  if (description.const !== undefined) return JSON.stringify(description.const);
  if (description.type === "array") return `a list, each ${allowed(description.items as JsonSchema)}`;
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

/** A setting's name as `pulumi config` takes it: `project:models.leaveOut[0]`. */
function fullKey(project: string, keys: readonly string[]): string {
  return `${project}:${keys.map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : `${index > 0 ? "." : ""}${key}`)).join("")}`;
}

function example(description: JsonSchema | undefined): string {
  const { default: usual, enum: one, type, minimum } = description ?? {};
  const value = usual ?? one?.[0] ?? (type === "integer" ? minimum : type === "boolean" ? true : undefined);
  return value === undefined || typeof value === "object" ? "VALUE" : JSON.stringify(value);
}

function valueAt(values: Readonly<Record<string, unknown>>, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (found, key) => (typeof found === "object" && found !== null ? (found as Record<string, unknown>)[key] : undefined),
    values,
  );
}

/** Whether one of the paths leads to the other, or to what lies below it. */
function sameLine(one: readonly string[], other: readonly string[]): boolean {
  return one.slice(0, other.length).every((key, index) => key === other[index]);
}

/** Whether a value may be a secret: by its name, or since it stands encrypted, as one under a mistyped name does. */
function isSecret(raw: RawConfig, keys: readonly string[]): boolean {
  return raw.secretKeys.includes(fullKey(raw.project, keys.slice(0, 1))) || SECRET_SETTINGS.some((secret) => sameLine(keys, secret));
}

function setCommand(raw: RawConfig, keys: readonly string[], value: string): string {
  const secret = SECRET_SETTINGS.some((one) => one.join() === keys.join());
  const flags = `${secret ? "--secret " : ""}${keys.length > 1 ? "--path " : ""}`;
  return `pulumi config set ${flags}'${fullKey(raw.project, keys)}' ${secret ? "VALUE" : value} --stack ${raw.stack}`;
}

/** A value as a shell takes it for one word. */
function quoted(value: string): string {
  return /^[\w./:@-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

function mendCommand(raw: RawConfig, { path, mend }: Problem): string {
  if (mend === "remove") {
    return `pulumi config rm ${path.length > 1 ? "--path " : ""}'${fullKey(raw.project, path)}' --stack ${raw.stack}`;
  }
  return mend === undefined ? setCommand(raw, path, example(describeAt(path))) : setCommand(raw, mend.path, quoted(mend.value));
}

function reportLine(raw: RawConfig, values: Readonly<Record<string, unknown>>, problem: Problem): string {
  const value = valueAt(values, problem.path);
  const own = describeAt(problem.path);
  const parent = describeAt(problem.path.slice(0, -1));
  const hint = own === undefined ? (parent && allowed(parent)) : [own.description, allowed(own)].filter(Boolean).join("; ");
  return [
    `  ${fullKey(raw.project, problem.path)}: ${problem.message}`,
    `    value:   ${value === undefined ? "not set" : isSecret(raw, problem.path) ? "[secret]" : JSON.stringify(value)}`,
    `    allowed: ${hint ?? "no such key"}`,
    `    mend:    ${mendCommand(raw, problem)}`,
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

/** What a mistyped setting was meant to be: the nearest of its neighbours, where one is near enough. */
function suggestion(keys: readonly string[], wrong: string): string {
  const known = Object.keys(describeAt(keys)?.properties ?? {});
  if (known.length === 0) return "";
  const near = closest(wrong, known);
  return distance(wrong, near) <= Math.max(1, Math.floor(wrong.length / 3)) ? `; did you mean ${near}?` : "";
}

function problemsOf(error: z.ZodError): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const keys = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return [{ path: keys, message: issue.message }];
    return issue.keys.map((key) => ({ path: [...keys, key], message: `unknown setting${suggestion(keys, key)}`, mend: "remove" }));
  });
}

function plainSecrets(raw: RawConfig, values: Readonly<Record<string, unknown>>): Problem[] {
  return SECRET_SETTINGS.filter(
    (keys) => valueAt(values, keys) !== undefined && !raw.secretKeys.includes(fullKey(raw.project, keys.slice(0, 1))),
  ).map((keys) => ({ path: keys, message: "stands in the stack file in plain text" }));
}

/** The value without what lies at the path. */
function without(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [
    name,
    name === key ? without(inner, rest) : inner,
  ]);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

/** The settings as they would be with defaults in place of all that is wrong by itself. */
function repaired(values: Readonly<Record<string, unknown>>, problems: readonly Problem[]): Valid | undefined {
  return schema.safeParse(problems.reduce<unknown>((result, problem) => without(result, problem.path), values)).data;
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
  const wrong = parsed.success ? [] : problemsOf(parsed.error);
  const valid = parsed.data ?? repaired(values, wrong);
  const between = valid === undefined ? [] : contradictions(valid, (keys) => valueAt(values, keys) !== undefined);
  const problems = [...wrong, ...plainSecrets(raw, values), ...between];
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
    // Language hosts write a key in the form of Pulumi before 1.0, as they do in the configuration itself.
    secretKeys: (JSON.parse(process.env.PULUMI_CONFIG_SECRET_KEYS ?? "[]") as string[]).map((key) => key.replace(":config:", ":")),
  });
}
