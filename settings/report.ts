/** The report of all problems of a stack's settings. It shows no secret. */
import { describeAt, valueAt, type Path, type Values } from "./paths";
import { SECRET_SETTINGS, type JsonSchema } from "./schema";

/** One problem of a setting. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
  /** The fix: remove this setting, or set another one. Default: set this one. */
  readonly fix?: "remove" | { readonly path: Path; readonly value: string };
}

/** The stack that a report is about. */
export interface Reported {
  readonly project: string;
  readonly stack: string;
  /** Full keys of the encrypted values. */
  readonly secretKeys: readonly string[];
}

/** What the schema allows, in words, such as `integer, at least 1`: for the report and for docs/settings.md. */
export function allowed(description: JsonSchema): string {
  if (description.const !== undefined) return JSON.stringify(description.const);
  if (description.type === "array") return `a list, each ${allowed(description.items as JsonSchema)}`;
  if (description.enum !== undefined) return `one of ${description.enum.join(", ")}`;
  if (description.anyOf !== undefined) return description.anyOf.map((one) => allowed(one)).join(" or ");
  if (description.properties !== undefined) return `the keys ${Object.keys(description.properties).join(", ")}`;
  const bounds = [
    description.minimum === undefined ? "" : `at least ${description.minimum}`,
    description.exclusiveMinimum === undefined ? "" : `more than ${description.exclusiveMinimum}`,
    // zod limits every integer to the largest safe one; that is not worth reporting.
    description.maximum === undefined || description.maximum === Number.MAX_SAFE_INTEGER ? "" : `at most ${description.maximum}`,
  ];
  return [String(description.type ?? "any value"), ...bounds].filter((part) => part !== "").join(", ");
}

/** A setting's name as `pulumi config` takes it: `project:models.leaveOut[0]`. */
export function fullKey(project: string, keys: Path): string {
  return `${project}:${keys.map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : `${index > 0 ? "." : ""}${key}`)).join("")}`;
}

function example(description: JsonSchema | undefined): string {
  const { default: usual, enum: one, type, minimum } = description ?? {};
  const value = usual ?? one?.[0] ?? (type === "integer" ? minimum : type === "boolean" ? true : undefined);
  return value === undefined || typeof value === "object" ? "VALUE" : JSON.stringify(value);
}

/** A value quoted for the shell. */
function quoted(value: string): string {
  return /^[\w./:@-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

/** The command that sets a value. It has no value for a secret: Pulumi prompts for it, so that it is not in the shell's history. */
function setCommand({ project, stack }: Reported, keys: Path, value: string): string {
  const secret = SECRET_SETTINGS.some((one) => one.join() === keys.join());
  const flags = `${secret ? "--secret " : ""}${keys.length > 1 ? "--path " : ""}`;
  return `pulumi config set ${flags}'${fullKey(project, keys)}' ${secret ? "" : `${value} `}--stack ${stack}`;
}

function fixCommand(reported: Reported, { path, fix }: Problem): string {
  if (fix === undefined) return setCommand(reported, path, example(describeAt(path)));
  if (fix !== "remove") return setCommand(reported, fix.path, quoted(fix.value));
  return `pulumi config rm ${path.length > 1 ? "--path " : ""}'${fullKey(reported.project, path)}' --stack ${reported.stack}`;
}

/** Whether one of the paths contains the other. */
function sameLine(one: Path, other: Path): boolean {
  return one.slice(0, other.length).every((key, index) => key === other[index]);
}

/** Whether a value may be a secret: it is encrypted, has the name of a secret, or an unknown name, which may be a mistyped one. */
function maybeSecret({ project, secretKeys }: Reported, keys: Path): boolean {
  const unknown = describeAt(keys) === undefined && describeAt(keys.slice(0, -1))?.properties !== undefined;
  return unknown || secretKeys.includes(fullKey(project, keys.slice(0, 1))) || SECRET_SETTINGS.some((secret) => sameLine(keys, secret));
}

function shown(reported: Reported, values: Values, keys: Path): string {
  const value = valueAt(values, keys);
  if (value === undefined) return "not set";
  return maybeSecret(reported, keys) ? "not shown" : JSON.stringify(value);
}

function problemText(reported: Reported, values: Values, problem: Problem): string {
  const own = describeAt(problem.path);
  const parent = describeAt(problem.path.slice(0, -1));
  const hint = own === undefined ? (parent && allowed(parent)) : [own.description, allowed(own)].filter(Boolean).join("; ");
  return [
    `  ${fullKey(reported.project, problem.path)}: ${problem.message}`,
    `    value:   ${shown(reported, values, problem.path)}`,
    `    allowed: ${hint ?? "no such key"}`,
    `    fix:     ${fixCommand(reported, problem)}`,
  ].join("\n");
}

/** The whole report: each problem with its value, what is allowed and the command that fixes it. */
export function report(reported: Reported, values: Values, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const texts = problems.map((problem) => problemText(reported, values, problem)).join("\n\n");
  return `The settings of stack ${reported.stack} are invalid (${count}):\n\n${texts}\n`;
}
