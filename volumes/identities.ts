/** What tells a volume or a folder from another one that is made later under the same name, read before anything is declared. */
import { randomUUID } from "node:crypto";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import { startsServices } from "../host/purpose";
import type { Settings } from "../settings";
import { filmPaths } from "./film-paths";

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

/** A volume is told by the label it was made with; host/preflight.sh reads it. */
export const IDENTITY_LABEL = "cp-whisperx.identity";

// An up makes what is missing, so that what it records is what the next one finds. A folder made anew may have the old one's inode.
const LIST_FOLDERS = `if [ -n "$MAKE" ]; then mkdir -p "$IN" "$OUT" "$CONFIG"; fi
stat --format '%i-%W' "$IN" "$OUT" "$CONFIG" 2>/dev/null || echo missing`;

/** What a command prints; undefined where it fails in a preview, which says so. @throws RunError where it fails in an up. */
async function ask(what: string, script: string, environment: Record<string, string>): Promise<string | undefined> {
  try {
    return (await command.local.run({ command: script, environment, logging: command.local.Logging.None })).stdout;
  } catch (error) {
    const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    if (startsServices()) throw new pulumi.RunError(message);
    await pulumi.log.warn(`${message}\nThis preview takes them for unchanged.`);
    return undefined;
  }
}

/** What tells the stack's volumes and film folders from others; makes the folders where they lie on this machine. */
export async function readIdentities(
  engine: Engine,
  /** By the volumes' names in the engine; undefined where no engine lists them. */
  volumes: Readonly<Record<string, string>> | undefined,
  { stack, films }: Pick<Settings, "stack" | "films">,
): Promise<Identities> {
  const volume = (name: string): NamedVolume => {
    const volumeName = `cp-whisperx-${stack}-${name}`;
    return { volumeName, identity: volumes && (volumes[volumeName] ?? randomUUID()) };
  };
  const { in: IN, out: OUT, config: CONFIG } = filmPaths(films);
  const make = startsServices() ? "yes" : "";
  const folders = engine.isLocal ? await ask("films: the folders cannot be made", LIST_FOLDERS, { IN, OUT, CONFIG, MAKE: make }) : "";
  return { volume, films: folders };
}
