/** Paths to a setting, as lists of keys: `["films", "in"]`. */
import { settingsJsonSchema, type JsonSchema } from "./schema";

export type Path = readonly string[];

/** Nested values, as in a stack file or a JSON file. */
export type Values = Readonly<Record<string, unknown>>;

export function isValues(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schema at a path; undefined if there is no such setting. */
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

/** The value without the setting at the path. */
export function without(value: unknown, [key, ...rest]: Path): unknown {
  if (key === undefined || !isValues(value)) return undefined;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [name, name === key ? without(inner, rest) : inner]);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

/** Deep merge: `own` overrides `usual`, key by key. */
export function merged(usual: unknown, own: unknown): unknown {
  if (own === undefined) return usual;
  if (!isValues(usual) || !isValues(own)) return own;
  const keys = new Set([...Object.keys(usual), ...Object.keys(own)]);
  return Object.fromEntries([...keys].map((key) => [key, merged(usual[key], own[key])]));
}
