/** Paths to a setting, as lists of keys: `["films", "in"]`. */
import { settingsJsonSchema, type JsonSchema } from "./schema";

export type Path = readonly string[];

/** Values by their keys, as a stack file or a JSON file nests them. */
export type Values = Readonly<Record<string, unknown>>;

export function isValues(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the schema says at a path; undefined where it has no such setting. */
export function describeAt(keys: Path): JsonSchema | undefined {
  return keys.reduce<JsonSchema | undefined>(
    (found, key) => found?.properties?.[key] as JsonSchema | undefined,
    settingsJsonSchema,
  );
}

export function valueAt(values: Values, keys: Path): unknown {
  return keys.reduce<unknown>(
    (found, key) => (typeof found === "object" && found !== null ? (found as Record<string, unknown>)[key] : undefined),
    values,
  );
}

/** The value without what lies at the path. */
export function without(value: unknown, [key, ...rest]: Path): unknown {
  if (key === undefined || !isValues(value)) return undefined;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [name, name === key ? without(inner, rest) : inner]);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

/** Both values; the second one goes before the first, object by object. */
export function merged(usual: unknown, own: unknown): unknown {
  if (own === undefined) return usual;
  if (!isValues(usual) || !isValues(own)) return own;
  const keys = new Set([...Object.keys(usual), ...Object.keys(own)]);
  return Object.fromEntries([...keys].map((key) => [key, merged(usual[key], own[key])]));
}
