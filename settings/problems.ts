/** Problems of single settings, by the schema. */
import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { describeAt, valueAt, type Path, type Values } from "./paths";
import { fullKey, type Problem, type Reported } from "./report";
import { SECRET_SETTINGS } from "./schema";

/** The setting that a mistyped one was meant for: a path that was set without --path, or the nearest name if it is near enough. */
function suggestion(keys: Path, wrong: string): string {
  const split = wrong.split(".");
  if (split.length > 1 && describeAt([...keys, ...split]) !== undefined) return `; did you mean --path ${[...keys, wrong].join(".")}?`;
  const known = new Map(Object.keys(describeAt(keys)?.properties ?? {}).map((name) => [name.toLowerCase(), name]));
  if (known.size === 0) return "";
  const near = closest(wrong.toLowerCase(), [...known.keys()]);
  // Two swapped letters count as two edits.
  const limit = wrong.length < 5 ? 1 : Math.max(2, Math.floor(wrong.length / 3));
  return distance(wrong.toLowerCase(), near) <= limit ? `; did you mean ${known.get(near) ?? near}?` : "";
}

/** The schema's errors, with a suggestion for each unknown name. */
export function schemaProblems(error: z.ZodError): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const keys = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return [{ path: keys, message: issue.message }];
    return issue.keys.map((key) => ({ path: [...keys, key], message: `unknown setting${suggestion(keys, key)}`, fix: "remove" }));
  });
}

/** Secrets in plain text in the stack file. */
export function plainSecrets({ project, secretKeys }: Reported, values: Values): Problem[] {
  return SECRET_SETTINGS.filter(
    (keys) => valueAt(values, keys) !== undefined && !secretKeys.includes(fullKey(project, keys.slice(0, 1))),
  ).map((keys) => ({ path: keys, message: "is in plain text in the stack file" }));
}
