/** What the engine's host and the registry must have before anything is built: services/preflight.sh asks them. */
import * as path from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import { isLoopback } from "../settings/contradictions";
import { gpuNeeds } from "../settings/gpus";
import { wantedHubModels } from "../settings/hub-models";
import { usesGpu } from "./accelerator";
import { cardProblems, readCard } from "./cards";
import { diskFindings, readDisk } from "./disks";
import { nativeFolder } from "./native";

const PACKAGED_MODELS_MEGABYTES = 300;

/** Whether a stack uses more than this machine's processor, packaged models and a registry without a login. */
function wantsMore({ variant, host, registryLogin, models }: Settings): boolean {
  return variant !== "cpu" || host !== undefined || registryLogin !== undefined || models.source === "hub";
}

/** The environment of preflight.sh, which explains each variable. */
export function questions(settings: Settings): Record<string, string> {
  const { registry, namespace, registryLogin, registryTls, stack, host, certificates } = settings;
  return {
    STACK: stack,
    ...(host === undefined ? {} : { DOCKER_HOST: host }),
    GPU_DRIVER: usesGpu(settings) ? settings.gpu.driver : "",
    NATIVE_ENVIRONMENT: nativeFolder(settings) ?? "",
    REGISTRY: registry,
    REGISTRY_SCHEME: (registryTls ?? !isLoopback(registry)) ? "https" : "http",
    REPOSITORY: `${namespace}/cp-whisperx-app-base`,
    REGISTRY_USER: registryLogin?.username ?? "",
    REGISTRY_CA: certificates === undefined ? "" : path.resolve(certificates),
  };
}

/** What the models take in the engine, in MiB. */
function modelsMegabytes({ models, variant }: Settings): number {
  const hub = models.source === "hub" ? wantedHubModels(variant, models.leaveOut) : [];
  return hub.reduce((sum, model) => sum + model.megabytes, PACKAGED_MODELS_MEGABYTES);
}

/** What is missing, and what may be, by what preflight.sh printed: a sentence each with its way out. */
export function findings(answers: string, settings: Settings): { readonly problems: string[]; readonly warnings: string[] } {
  const { stack, host, variant } = settings;
  const lines = answers.split("\n").filter((line) => line !== "");
  const facts = (kind: string): string[] => lines.filter((line) => line.startsWith(kind)).map((line) => line.slice(kind.length));
  const cards = cardProblems(facts("card: ").map(readCard), gpuNeeds(settings), { place: host ?? "this machine", stack });
  const deployed = lines.includes("deployed");
  const disks = diskFindings(facts("disk: ").map(readDisk), { variant, models: modelsMegabytes(settings), deployed, host });
  const missing = lines.filter((line) => !/^(card: |disk: |deployed$)/.test(line));
  return { problems: [...missing, ...cards, ...disks.problems], warnings: disks.warnings };
}

/** @throws RunError where not everything could be asked: silence would pass for an answer. */
async function ask(settings: Settings): Promise<string> {
  try {
    const { stdout } = await command.local.run({
      command: "services/preflight.sh",
      dir: path.join(__dirname, ".."),
      environment: questions(settings),
      stdin: settings.registryLogin?.password,
      logging: command.local.Logging.None,
    });
    return stdout;
  } catch (error) {
    throw new pulumi.RunError(`What stack ${settings.stack} needs of its host could not be asked: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Asks before any resource is declared; a stack that wants nothing special is not asked about. A preview warns of what is
 * missing and goes on, since it may run where the host cannot be reached.
 * @throws RunError that says what is missing, one line for each thing with its way out.
 */
export async function preflight(settings: Settings): Promise<void> {
  if (!wantsMore(settings)) return;
  const { problems, warnings } = findings(await ask(settings), settings);
  const report = (what: string, lines: readonly string[]): string =>
    `Stack ${settings.stack} ${what}:\n\n${lines.map((line) => `  ${line}`).join("\n")}\n`;
  if (warnings.length > 0) await pulumi.log.warn(report("may lack room", warnings));
  if (problems.length === 0) return;
  if (!pulumi.runtime.isDryRun()) throw new pulumi.RunError(report("cannot be deployed yet", problems));
  await pulumi.log.warn(report("cannot be deployed yet", problems));
}
