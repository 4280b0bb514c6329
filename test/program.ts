/** The whole program of a stack under mocks. */
import { readFileSync } from "node:fs";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { vi } from "vitest";
import { readConfig } from "../toolchain/export/declared";
import { mockPulumi, settled, type RecordedResource } from "./mocks";

/** Pulumi's signature for secret values in its protocol. The state stores them encrypted. */
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

/** Runs the program with this configuration; the mocks must be installed. */
export async function runProgram(config: Record<string, string>, secretKeys: string[] = []): Promise<unknown> {
  vi.resetModules();
  // The program warns other users than the films' owner.
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  process.env.PULUMI_CONFIG_SECRET_KEYS = JSON.stringify(secretKeys);
  pulumi.runtime.setAllConfig(config, secretKeys);
  const { default: program } = await import("../index");
  let outcome: Promise<unknown> | undefined;
  // The caller handles the error; Pulumi would report it as unhandled, too.
  await pulumi.runtime.runInPulumiStack(async () => {
    outcome = program();
    await outcome.catch(() => undefined);
    return {};
  });
  return outcome;
}

/** The answers of a machine that has everything and already runs the stack. */
export function answersOf(stack: string): Record<string, string> {
  const volumes = ["model-cache", "queue", "secrets"].map((name) => `cp-whisperx-${stack}-${name}=identity-of-${name}`);
  return {
    "preflight.sh": `endpoint: unix:///var/run/docker.sock\nengine: linux/amd64\nvolumes: ${volumes.join(" ")}\n`,
    "mkdir -p": "identity-of-films",
  };
}

/** Declares every resource of the stack with this configuration, on a machine that has everything. */
export async function declareProgram(
  stack: string,
  config: Record<string, string>,
  secretKeys: string[] = [],
  answers: Record<string, string> = {},
): Promise<RecordedResource[]> {
  const recorded = await mockPulumi(stack, { ...answersOf(stack), ...answers });
  await runProgram(config, secretKeys);
  await settled();
  return recorded;
}

/** A stack file's configuration as Pulumi passes it to the program: strings; JSON for objects and lists. */
export function stackConfig(stack: string): Record<string, string> {
  const file = path.join(__dirname, "..", `Pulumi.${stack}.yaml`);
  return readConfig(readFileSync(file, "utf8"))[0];
}

/** The value with every secret replaced by `[secret]`. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  if (Object.values(value).includes(SECRET_SIGNATURE)) return "[secret]";
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}
