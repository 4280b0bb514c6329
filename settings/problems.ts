/** What is wrong with single settings, by the schema. */
import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { describeAt, valueAt, type Path, type Values } from "./paths";
import { fullKey, type Problem, type Reported } from "./report";
import { SECRET_SETTINGS } from "./schema";

/** What a mistyped setting was meant to be: a path that was set as a name, or the nearest of its neighbours if near enough. */
function suggestion(keys: Path, wrong: string): string {
  const split = wrong.split(".");
  if (split.length > 1 && describeAt([...keys, ...split]) !== undefined) return `; did you mean --path ${[...keys, wrong].join(".")}?`;
  const known = new Map(Object.keys(describeAt(keys)?.properties ?? {}).map((name) => [name.toLowerCase(), name]));
  if (known.size === 0) return "";
  const near = closest(wrong.toLowerCase(), [...known.keys()]);
  // Two letters that changed places are two edits.
  const limit = wrong.length < 5 ? 1 : Math.max(2, Math.floor(wrong.length / 3));
  return distance(wrong.toLowerCase(), near) <= limit ? `; did you mean ${known.get(near) ?? near}?` : "";
}

/** The schema's complaints, with a suggestion where a name is unknown. */
export function schemaProblems(error: z.ZodError): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const keys = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return [{ path: keys, message: issue.message }];
    return issue.keys.map((key) => ({ path: [...keys, key], message: `unknown setting${suggestion(keys, key)}`, fix: "remove" }));
  });
}

/** Secrets that the stack file has in plain text. */
export function plainSecrets({ project, secretKeys }: Reported, values: Values): Problem[] {
  return SECRET_SETTINGS.filter(
    (keys) => valueAt(values, keys) !== undefined && !secretKeys.includes(fullKey(project, keys.slice(0, 1))),
  ).map((keys) => ({ path: keys, message: "stands in the stack file in plain text" }));
}
