/** The settings of a stack: the only reader of `pulumi.Config`. */
import * as pulumi from "@pulumi/pulumi";
import { contradictions } from "./contradictions";
import { localSettings } from "./local";
import { describeAt, merged, valueAt, without, type Values } from "./paths";
import { plainSecrets, schemaProblems } from "./problems";
import { report, type Problem, type Reported } from "./report";
import { schema, SECRET_SETTINGS, type Settings, type Valid } from "./schema";

export { allowed } from "./report";
export { settingsJsonSchema, type Settings, type StageSetting } from "./schema";

/** All problems of a stack's settings, in one message. */
export class SettingsError extends pulumi.RunError {}

/** The names of the secret settings that have a value. Example: `["models.token"]`. */
export function secretNames(settings: Settings): string[] {
  return SECRET_SETTINGS.filter((keys) => valueAt(settings, keys) !== undefined).map((keys) => keys.join("."));
}

/** Config as Pulumi passes it to a program: text by full key, JSON unless the value is a string. */
export interface RawConfig extends Reported {
  readonly values: Readonly<Record<string, string>>;
  /** Settings of this machine, for those that the stack does not set. Default: none. Example: `{ baseImages: { cpu: "..." } }`. */
  readonly local?: Values;
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

/** The values of this project, without those of Pulumi packages. */
function parseValues({ project, values }: RawConfig): Values {
  const prefix = `${project}:`;
  const own = Object.entries(values).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(own.map(([key, text]) => [key.slice(prefix.length), parseValue(key.slice(prefix.length), text)]));
}

/** The settings with defaults in place of invalid values, so that contradictions are reported too. */
function repaired(values: unknown, problems: readonly Problem[]): Valid | undefined {
  return schema.safeParse(problems.reduce((result, problem) => without(result, problem.path), values)).data;
}

/**
 * Validates a stack's configuration. Secrets become secret outputs.
 * @throws SettingsError that lists every unknown key, invalid value and contradiction, each with its fix.
 */
export function parseSettings(raw: RawConfig): Settings {
  const own = parseValues(raw);
  const values = merged(raw.local, own) as Values;
  const parsed = schema.safeParse(values);
  const wrong = parsed.success ? [] : schemaProblems(parsed.error);
  const valid = parsed.data ?? repaired(values, wrong);
  const between = valid === undefined ? [] : contradictions(valid, (keys) => valueAt(own, keys) !== undefined);
  const problems = [...wrong, ...plainSecrets(raw, own), ...between];
  if (!parsed.success || problems.length > 0) throw new SettingsError(report(raw, values, problems));
  const stages = (values.stages ?? {}) as Settings["stages"];
  return { ...parsed.data, stages, stack: raw.stack };
}

/** The settings of the current stack. @throws SettingsError as parseSettings does. */
export function readSettings(): Settings {
  const stack = pulumi.getStack();
  return parseSettings({
    project: pulumi.getProject(),
    stack,
    values: pulumi.runtime.allConfig(),
    // Language hosts pass keys as Pulumi before 1.0 did: `project:config:key`.
    secretKeys: (JSON.parse(process.env.PULUMI_CONFIG_SECRET_KEYS ?? "[]") as string[]).map((key) => key.replace(":config:", ":")),
    local: localSettings(stack),
  });
}
