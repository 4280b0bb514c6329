/** What tells a volume or a folder from another one that is made later under the same name, read before anything is declared. */
import { randomUUID } from "node:crypto";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../services/engine";
import type { FilmPaths } from "./film-folders";

/** Undefined where a preview cannot know it: what depends on it is taken for unchanged. */
export type Identity = string | undefined;

export interface NamedVolume {
  /** Name in the engine. */
  readonly volumeName: string;
  readonly identity: Identity;
}

export interface Identities {
  /** The stack's volume of that name, such as `model-cache`. */
  readonly volume: (name: string) => NamedVolume;
  /** Of the film folders together. */
  readonly films: Identity;
}

/** A volume is told by the label it was made with. Its time does not do: older engines report when it last changed. */
export const IDENTITY_LABEL = "cp-whisperx.identity";

const LIST_VOLUMES = `docker volume ls --filter "name=$PREFIX" --format '{{.Name}} {{.Label "${IDENTITY_LABEL}"}}'`;

// An up makes what is missing, so that what it records is what the next one finds. A folder made anew may have the old one's inode.
const LIST_FOLDERS = `if [ -n "$MAKE" ]; then mkdir -p "$IN" "$OUT" "$CONFIG"; fi
stat --format '%i-%W' "$IN" "$OUT" "$CONFIG" 2>/dev/null || echo missing`;

/** What a command prints; undefined where it fails in a preview, which says so. @throws RunError where it fails in an up. */
async function ask(what: string, script: string, environment: Record<string, string>): Promise<string | undefined> {
  try {
    return (await command.local.run({ command: script, environment, logging: command.local.Logging.None })).stdout;
  } catch (error) {
    const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    if (!pulumi.runtime.isDryRun()) throw new pulumi.RunError(message);
    await pulumi.log.warn(`${message}\nThis preview takes them for unchanged.`);
    return undefined;
  }
}

function volumesIn(listing: string | undefined, prefix: string): Identities["volume"] {
  const found = new Map(listing?.split("\n").map((line): [string, string] => {
    const [name = "", label = ""] = line.split(" ");
    return [name, label === "" ? "unlabelled" : label];
  }));
  return (name) => {
    const volumeName = `${prefix}${name}`;
    return { volumeName, identity: listing === undefined ? undefined : (found.get(volumeName) ?? randomUUID()) };
  };
}

/** Asks the engine for the stack's volumes, and makes the film folders where they lie on this machine. */
export async function readIdentities(engine: Engine, stack: string, films: FilmPaths): Promise<Identities> {
  const prefix = `cp-whisperx-${stack}-`;
  const volumes = await ask("The engine did not list its volumes", LIST_VOLUMES, { ...engine.environment, PREFIX: prefix });
  const make = pulumi.runtime.isDryRun() ? "" : "yes";
  const { in: IN, out: OUT, config: CONFIG } = films;
  const folders = engine.isLocal ? await ask("films: the folders cannot be made", LIST_FOLDERS, { IN, OUT, CONFIG, MAKE: make }) : "";
  return { volume: volumesIn(volumes, prefix), films: folders };
}
