/**
 * Settings of this machine, from its home folder (`CP_WHISPERX_HOME`, default `~/.cp-whisperx`). The stack file overrides them.
 *
 * - `machine.json`: settings of every stack here, as `make up` writes them:
 *   `{"registry": "127.0.0.1:5000", "baseImages": {"cpu": "127.0.0.1:5000/library/python:3.11-slim@sha256:..."}}`
 * - `secrets/<stack>/<setting>`: secrets that no stack file holds, as `make secret` writes them: `secrets/dev/models.token`
 */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { isValues, merged, type Path, type Values } from "./paths";
import { SECRET_SETTINGS } from "./schema";

function homeFolder(): string {
  const { CP_WHISPERX_HOME: home = "" } = process.env;
  return home === "" ? path.join(homedir(), ".cp-whisperx") : home;
}

/** The file's text; undefined if there is no such file. @throws RunError if it cannot be read. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new pulumi.RunError(`${file} cannot be read (${(error as Error).message}); fix: make it readable for you, or remove it`);
  }
}

function parseFile(file: string): unknown {
  try {
    return JSON.parse(readIfThere(file) ?? "{}");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function machineSettings(home: string): Values {
  const file = path.join(home, "machine.json");
  const settings = parseFile(file);
  if (!isValues(settings)) throw new pulumi.RunError(`${file} holds no JSON object; fix: make up writes it, or remove it`);
  return settings;
}

/** @throws RunError if other users can read the file. */
function readSecret(file: string): string | undefined {
  const secret = readIfThere(file);
  if (secret !== undefined && (statSync(file).mode & 0o077) !== 0) {
    throw new pulumi.RunError(`${file} holds a secret that others can read; fix: chmod 600 '${file}'`);
  }
  return secret?.replace(/\r?\n$/, "");
}

function nested(keys: Path, value: string): unknown {
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

/**
 * The settings of this machine, and its secrets of the stack. Example: `{ registry: "127.0.0.1:5000", models: { token: "hf_..." } }`.
 * @throws RunError if a file is unreadable, not JSON, or a secret that other users can read.
 */
export function localSettings(stack: string, home = homeFolder()): Values {
  const secrets = SECRET_SETTINGS.flatMap((keys) => {
    const secret = readSecret(path.join(home, "secrets", stack, keys.join(".")));
    return secret === undefined ? [] : [nested(keys, secret)];
  });
  return secrets.reduce<unknown>(merged, machineSettings(home)) as Values;
}
