/** Services of Compose for the commands of a stack that run a container once. */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import type * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";

export type Command = pulumi.Unwrap<command.local.CommandArgs>;

/** In place of docker: prints its arguments, each ended by NUL, and a separator. */
const PRINT = `docker() { printf '%s\\0' "$@" "$SEPARATOR"; }`;
const SEPARATOR = "\u001e";

/** The arguments of each docker command whose output a shell script does not discard. The shell can start no other program. */
export function dockerCommands({ create = "", environment }: Command): string[][] {
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-euc", `${PRINT}\n${create}`], {
    env: { ...environment, SEPARATOR, PATH: "" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot export ${create}: ${stderr}`);
  return stdout.split(`${SEPARATOR}\0`).slice(0, -1).map((words) => words.split("\0").slice(0, -1));
}

const FLAG = { type: "boolean" } as const;
const TEXT = { type: "string" } as const;
const LIST = { type: "string", multiple: true, default: [] as string[] } as const;
const OPTIONS = {
  rm: FLAG,
  interactive: FLAG,
  "read-only": FLAG,
  user: TEXT,
  network: TEXT,
  entrypoint: TEXT,
  "cap-drop": LIST,
  "cap-add": LIST,
  "security-opt": LIST,
  volume: LIST,
  tmpfs: LIST,
  env: LIST,
} as const;

/** The service for one `docker run`. @throws Error for an option that it does not know. */
function service(words: readonly string[], { environment = {} }: Command): Record<string, unknown> {
  const { IMAGE: image = "" } = environment;
  const at = words.indexOf(image);
  if (words[0] !== "run" || at < 0) throw new Error(`cannot export docker ${words.join(" ")}`);
  const { values } = parseArgs({ args: words.slice(1, at), options: OPTIONS });
  return {
    image,
    user: values.user,
    network_mode: values.network,
    read_only: values["read-only"] ?? false,
    cap_drop: values["cap-drop"],
    cap_add: values["cap-add"],
    security_opt: values["security-opt"],
    volumes: values.volume,
    tmpfs: values.tmpfs,
    // Null: Compose takes the value from its own environment.
    environment: Object.fromEntries(values.env.map((name) => [name, environment[name] ?? null])),
    ...(values.entrypoint === undefined ? {} : { entrypoint: [values.entrypoint] }),
    command: words.slice(at + 1),
  };
}

/** Where a container finds what the command would get on standard input. */
const STDIN = "/run/stdin";

/** The service with the secret of that name on its standard input, which Compose cannot redirect. */
function reading(secret: string, service: Record<string, unknown>, entrypoint: readonly string[]): Record<string, unknown> {
  const words = (service.entrypoint as string[] | undefined) ?? entrypoint;
  return {
    ...service,
    entrypoint: ["sh", "-c", `exec "$@" <${STDIN}`, "sh", ...words],
    secrets: [{ source: secret, target: STDIN }],
  };
}

/**
 * The services for a command, in their order: `model-cache-fill-1`, `model-cache-fill-2`.
 * @param entrypoint returns the entrypoint of an image.
 */
export function servicesOf(name: string, inputs: Command, entrypoint: (image: string) => readonly string[]): Record<string, Record<string, unknown>> {
  const services = dockerCommands(inputs).map((words) => service(words, inputs));
  const stdin = inputs.stdin ?? "";
  const complete = services.map((one) => (stdin === "" ? one : reading(name, one, entrypoint(String(one.image)))));
  const named = (index: number): string => (services.length === 1 ? name : `${name}-${index + 1}`);
  return Object.fromEntries(complete.map((one, index) => [
    named(index),
    { ...one, ...(index > 0 ? { depends_on: { [named(index - 1)]: { condition: "service_completed_successfully" } } } : {}) },
  ]));
}
