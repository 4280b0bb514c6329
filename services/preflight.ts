/** What the engine's host and the registry must have before anything is built: services/preflight.sh asks them. */
import * as path from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Variant } from "../images/catalog";
import type { Settings } from "../settings";
import { isLoopback } from "../settings/contradictions";
import { gpuNeeds } from "../settings/gpus";
import { wantedHubModels } from "../volumes/hub-models";
import { usesGpu } from "./accelerator";
import { cardProblems, readCard } from "./cards";
import { nativeFolder } from "./native";

/** MiB that the images of a stack take in the engine while they are pulled, unpacked and compressed side by side. */
const IMAGES_MEGABYTES: Readonly<Record<Variant, number>> = { cpu: 3000, cuda: 15_000, "cuda-slim": 4000 };
const PACKAGED_MODELS_MEGABYTES = 300;

/** Whether a stack uses more than this machine's processor, packaged models and a registry without a login. */
function wantsMore({ variant, host, registryLogin, models }: Settings): boolean {
  return variant !== "cpu" || host !== undefined || registryLogin !== undefined || models.source === "hub";
}

/** The environment of preflight.sh, which explains each variable. */
export function questions(settings: Settings): Record<string, string> {
  const { registry, namespace, registryLogin, registryTls, models, variant, stack, host, certificates } = settings;
  const hub = models.source === "hub" ? wantedHubModels(variant, models.leaveOut) : [];
  const megabytes = hub.reduce((sum, model) => sum + model.megabytes, IMAGES_MEGABYTES[variant] + PACKAGED_MODELS_MEGABYTES);
  return {
    STACK: stack,
    ...(host === undefined ? {} : { DOCKER_HOST: host }),
    DISK_MEGABYTES: String(megabytes),
    GPU_DRIVER: usesGpu(settings) ? settings.gpu.driver : "",
    NATIVE_ENVIRONMENT: nativeFolder(settings) ?? "",
    REGISTRY: registry,
    REGISTRY_SCHEME: (registryTls ?? !isLoopback(registry)) ? "https" : "http",
    REPOSITORY: `${namespace}/cp-whisperx-app-base`,
    REGISTRY_USER: registryLogin?.username ?? "",
    REGISTRY_CA: certificates === undefined ? "" : path.resolve(certificates),
  };
}

/** What begins a line that tells of a GPU; every other line says what is missing. */
const CARD = "card: ";

/** What is missing, a sentence each with its way out, by what preflight.sh printed. */
export function problemsIn(answers: string, settings: Settings): string[] {
  const lines = answers.split("\n").filter((line) => line !== "");
  const cards = lines.filter((line) => line.startsWith(CARD)).map((line) => readCard(line.slice(CARD.length)));
  const host = { place: settings.host ?? "this machine", stack: settings.stack };
  return [...lines.filter((line) => !line.startsWith(CARD)), ...cardProblems(cards, gpuNeeds(settings), host)];
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
  const problems = problemsIn(await ask(settings), settings);
  if (problems.length === 0) return;
  const report = `Stack ${settings.stack} cannot be deployed yet:\n\n${problems.map((line) => `  ${line}`).join("\n")}\n`;
  if (!pulumi.runtime.isDryRun()) throw new pulumi.RunError(report);
  await pulumi.log.warn(report);
}
