/** What the engine's host and the registry must have before anything is built: services/preflight.sh asks them. */
import * as path from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Variant } from "../images/catalog";
import type { Settings } from "../settings";
import { isLoopback } from "../settings/contradictions";
import { gpuIds, gpuNeeds } from "../settings/gpus";
import { wantedHubModels } from "../volumes/hub-models";
import { usesGpu } from "./accelerator";
import { nativeFolder } from "./native";

/** MiB that the images of a stack take in the engine while they are pulled, unpacked and compressed side by side. */
const IMAGES_MEGABYTES: Readonly<Record<Variant, number>> = { cpu: 3000, cuda: 15_000, "cuda-slim": 4000 };
const PACKAGED_MODELS_MEGABYTES = 300;

/** Whether a stack uses more than this machine's processor and a registry without a login. */
function wantsMore(settings: Settings): boolean {
  return settings.variant !== "cpu" || settings.host !== undefined || settings.registryLogin !== undefined;
}

function gpuQuestions(settings: Settings): Record<string, string> {
  if (!usesGpu(settings)) return {};
  const services = gpuNeeds(settings).map(({ service, megabytes, devices }) => `${service} ${megabytes} ${gpuIds(devices).join()}`);
  return { GPU_DRIVER: settings.gpu.driver, GPU_SERVICES: services.join("\n") };
}

/** The environment of preflight.sh, which explains each variable. */
export function questions(settings: Settings): Record<string, string> {
  const { registry, registryLogin, registryTls, models, variant, stack, host, certificates } = settings;
  const hub = models.source === "hub" ? wantedHubModels(variant, models.leaveOut) : [];
  const megabytes = hub.reduce((sum, model) => sum + model.megabytes, IMAGES_MEGABYTES[variant] + PACKAGED_MODELS_MEGABYTES);
  return {
    STACK: stack,
    ...(host === undefined ? {} : { DOCKER_HOST: host }),
    DISK_MEGABYTES: String(megabytes),
    ...gpuQuestions(settings),
    NATIVE_ENVIRONMENT: nativeFolder(settings) ?? "",
    REGISTRY: registry,
    REGISTRY_SCHEME: (registryTls ?? !isLoopback(registry)) ? "https" : "http",
    REGISTRY_USER: registryLogin?.username ?? "",
    REGISTRY_CA: certificates === undefined ? "" : path.resolve(certificates),
  };
}

/**
 * Asks in a preview as well, before any resource is declared; a stack that wants nothing special is not asked about.
 * @throws RunError that says what is missing, one line for each thing with its way out.
 */
export async function preflight(settings: Settings): Promise<void> {
  if (!wantsMore(settings)) return;
  const { stdout } = await command.local.run({
    // Status 1 is an answer: the lines on its output say what is missing.
    command: "services/preflight.sh || test $? -eq 1",
    dir: path.join(__dirname, ".."),
    environment: questions(settings),
    stdin: settings.registryLogin?.password,
    logging: command.local.Logging.None,
  });
  if (stdout === "") return;
  const lines = stdout.split("\n").map((line) => `  ${line}`);
  throw new pulumi.RunError(`Stack ${settings.stack} cannot be deployed yet:\n\n${lines.join("\n")}\n`);
}
