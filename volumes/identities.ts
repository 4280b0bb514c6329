/** Identities of volumes and folders: they change if one is removed and created again under the same name. */
import { randomUUID } from "node:crypto";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import { startsServices } from "../host/purpose";
import type { Settings } from "../settings";
import { filmPaths } from "./film-paths";

/** Undefined if a preview cannot know it; the preview then assumes that it is unchanged. */
export type Identity = string | undefined;

export interface NamedVolume {
  /** Name in the engine. */
  readonly volumeName: string;
  readonly identity: Identity;
}

export interface Identities {
  /** The stack's volume of that name, such as `model-cache`. */
  readonly volume: (name: string) => NamedVolume;
  /** Identity of all film folders together. */
  readonly films: Identity;
}

/** The label with a volume's identity; host/preflight.sh reads it. */
export const IDENTITY_LABEL = "cp-whisperx.identity";

// An up creates missing folders first, so that it records their final identity. The identity is inode and creation time, because
// a new folder may get the old one's inode.
const LIST_FOLDERS = `if [ -n "$MAKE" ]; then mkdir -p "$IN" "$OUT" "$CONFIG"; fi
stat --format '%i-%W' "$IN" "$OUT" "$CONFIG" 2>/dev/null || echo missing`;

/** What a command prints. If it fails, a preview warns and returns undefined. @throws RunError if it fails in an up. */
async function run(what: string, script: string, environment: Record<string, string>): Promise<string | undefined> {
  try {
    return (await command.local.run({ command: script, environment, logging: command.local.Logging.None })).stdout;
  } catch (error) {
    const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    if (startsServices()) throw new pulumi.RunError(message);
    await pulumi.log.warn(`${message}\nThis preview assumes that they are unchanged.`);
    return undefined;
  }
}

/** Reads the identities of the stack's volumes and film folders. An up creates local film folders. */
export async function readIdentities(
  engine: Engine,
  /** Identities by the volumes' names in the engine; undefined if the engine does not answer. */
  volumes: Readonly<Record<string, string>> | undefined,
  { stack, films }: Pick<Settings, "stack" | "films">,
): Promise<Identities> {
  const volume = (name: string): NamedVolume => {
    const volumeName = `cp-whisperx-${stack}-${name}`;
    return { volumeName, identity: volumes && (volumes[volumeName] ?? randomUUID()) };
  };
  const { in: IN, out: OUT, config: CONFIG } = filmPaths(films);
  const make = startsServices() ? "yes" : "";
  const folders = engine.isLocal ? await run("films: cannot create the folders", LIST_FOLDERS, { IN, OUT, CONFIG, MAKE: make }) : "";
  return { volume, films: folders };
}
