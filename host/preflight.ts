/** Checks the engine's host and the registry before anything is built: host/preflight.sh collects facts, this file judges them. */
import * as path from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import { isLoopback } from "../settings/contradictions";
import { gpuNeeds, usesGpu } from "../settings/gpus";
import { wantedHubModels } from "../settings/hub-models";
import { VARIANTS } from "../variants";
import { gpuProblems, readGpu } from "./gpus";
import { diskFindings, readDisk } from "./disks";
import { nativeFolder } from "./native-folder";
import { buildsOnly } from "./purpose";

const PACKAGED_MODELS_MEGABYTES = 300;

/** Whether a stack uses more than this machine's CPU, packaged models and a registry without a login. */
function wantsMore({ variant, host, registryLogin, models }: Settings): boolean {
  return VARIANTS[variant].gpu || host !== undefined || registryLogin !== undefined || models.source === "hub";
}

/** The environment of preflight.sh, which documents each variable. */
export function scriptEnvironment(settings: Settings): Record<string, string> {
  const { registry, namespace, registryLogin, registryTls, stack, host, certificates } = settings;
  const more = wantsMore(settings);
  return {
    STACK: stack,
    ...(host === undefined ? {} : { DOCKER_HOST: host }),
    DISKS: more ? "yes" : "",
    GPU_DRIVER: usesGpu(settings) ? settings.gpu.driver : "",
    NATIVE_ENVIRONMENT: nativeFolder(settings) ?? "",
    REGISTRY: more ? registry : "",
    REGISTRY_SCHEME: (registryTls ?? !isLoopback(registry)) ? "https" : "http",
    REPOSITORY: `${namespace}/cp-whisperx-app-base`,
    REGISTRY_USER: registryLogin?.username ?? "",
    REGISTRY_CA: certificates === undefined ? "" : path.resolve(certificates),
  };
}

/** Disk space for the models in the engine, in MiB. */
function modelsMegabytes({ models, variant }: Settings): number {
  const hub = models.source === "hub" ? wantedHubModels(variant, models.leaveOut) : [];
  return hub.reduce((sum, model) => sum + model.megabytes, PACKAGED_MODELS_MEGABYTES);
}

/** What the engine reports about itself and the stack. */
export interface EngineFacts {
  /** Address that docker commands reach; undefined without a docker command. */
  readonly endpoint?: string;
  /** Whether it answers; if not, only a preview continues. */
  readonly answers: boolean;
  /** Identity of each volume of the stack by its name; undefined if unknown. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** Names of the stack's containers that run; undefined if unknown. */
  readonly running?: readonly string[];
}

export interface Findings {
  /** What is missing (problems) and what may be (warnings): a sentence each, with its fix. */
  readonly problems: string[];
  readonly warnings: string[];
  readonly engine: EngineFacts;
}

/** Identities by name, from a line of `name=identity`. */
function readVolumes(listing: string): Record<string, string> {
  return Object.fromEntries([...listing.matchAll(/(\S+)=(\S+)/g)].map(([, name = "", identity = ""]) => [name, identity]));
}

function platformProblems(found: string | undefined, { platform, host }: Settings): string[] {
  if (found === undefined || found === platform) return [];
  return [`The engine of ${host ?? "this machine"} runs ${found}, and the images are for ${platform}; fix: deploy on a ${platform} machine (setting host)`];
}

/** Problems, warnings and engine facts from the output of preflight.sh. */
export function findings(answers: string, settings: Settings): Findings {
  const { stack, host, variant } = settings;
  const lines = answers.split("\n").filter((line) => line !== "");
  const facts = (kind: string): string[] => lines.filter((line) => line.startsWith(kind)).map((line) => line.slice(kind.length));
  const [[endpoint], [platform], [listing], [running]] = [facts("endpoint: "), facts("engine: "), facts("volumes:"), facts("running:")];
  const volumes = listing === undefined ? undefined : readVolumes(listing);
  const gpus = gpuProblems(facts("gpu: ").map(readGpu), gpuNeeds(settings), { place: host ?? "this machine", stack });
  const needs = { variant, models: modelsMegabytes(settings), deployed: volumes?.[`cp-whisperx-${stack}-model-cache`] !== undefined, host };
  const disks = diskFindings(facts("disk: ").map(readDisk), needs);
  const missing = lines.filter((line) => !/^(endpoint|engine|volumes|running|gpu|disk):/.test(line));
  return {
    problems: [...missing, ...platformProblems(platform, settings), ...gpus, ...disks.problems],
    warnings: disks.warnings,
    engine: { endpoint, answers: platform !== undefined, volumes, running: running?.split(" ").filter((name) => name !== "") },
  };
}

/** The plain text of a secret, for the script's standard input. */
async function plain(secret: pulumi.Output<string>): Promise<string> {
  return new Promise((resolve) => { secret.apply(resolve); });
}

/** Runs preflight.sh. @throws RunError if it fails: no output would look as if nothing were missing. */
async function runScript(settings: Settings): Promise<string> {
  try {
    const { stdout } = await command.local.run({
      command: "host/preflight.sh",
      dir: process.cwd(),
      environment: scriptEnvironment(settings),
      stdin: settings.registryLogin && (await plain(settings.registryLogin.password)),
      logging: command.local.Logging.None,
    });
    return stdout;
  } catch (error) {
    throw new pulumi.RunError(`Cannot check the host of stack ${settings.stack}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Checks the host before any resource is declared; for a stack without special needs only its engine. A preview warns of what
 * is missing and continues, because it may run where the host cannot be reached. `make build` ignores the findings.
 * @throws RunError in an `up`, with one line for each missing thing and its fix.
 */
export async function preflight(settings: Settings): Promise<EngineFacts> {
  const { problems, warnings, engine } = findings(await runScript(settings), settings);
  if (buildsOnly()) return engine;
  const report = (what: string, lines: readonly string[]): string =>
    `Stack ${settings.stack} ${what}:\n\n${lines.map((line) => `  ${line}`).join("\n")}\n`;
  if (warnings.length > 0) await pulumi.log.warn(report("may lack disk space", warnings));
  if (problems.length === 0) return engine;
  if (!pulumi.runtime.isDryRun()) throw new pulumi.RunError(report("cannot be deployed yet", problems));
  const assumed = engine.volumes === undefined ? ["Cannot list the stack's volumes: this preview assumes that they are unchanged."] : [];
  await pulumi.log.warn(report("cannot be deployed yet", [...problems, ...assumed]));
  return engine;
}
