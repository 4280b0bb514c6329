/** What a service with a model gets of the host's GPUs: from settings to container, without any resource. */
import type * as docker from "@pulumi/docker";
import type { ServiceNeeds } from "../images/catalog";
import type { Settings } from "../settings";
import { gpuMemory } from "../settings/contradictions";

export interface Accelerator {
  /** Devices that the engine hands to the container; none where it computes on the processor. */
  readonly deviceRequests?: docker.types.input.ContainerDeviceRequest[];
  /** Size of /dev/shm in MiB. */
  readonly shmMegabytes?: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Shell command that succeeds while the device answers that the worker uses. */
  readonly healthcheck?: string;
}

/** Seconds for which the card's answer stands; to ask it takes a Python and a start of NVIDIA's driver. */
const PROBE_SECONDS = 15;

/** Asks NVIDIA's driver for the card that the worker has noted, and notes the answer; docker/common/cp_whisperx/devices.py. */
const PROBE =
  `{ test -n "$(find /tmp/device-answered -newermt '-${PROBE_SECONDS} seconds' 2>/dev/null)"` +
  " || python -m cp_whisperx.devices --check; }";

const CDI_KIND = "nvidia.com/gpu";

/**
 * The request by which the engine hands over GPUs. The driver is always said: the provider's default is CDI, which
 * engines before version 25 do not know.
 */
export function deviceRequest({ devices, driver }: Settings["gpu"]): docker.types.input.ContainerDeviceRequest {
  if (driver === "cdi") {
    const ids = typeof devices === "number" ? Array.from({ length: devices }, (_, index) => String(index)) : devices;
    return { driver, deviceIds: [ids].flat().map((id) => `${CDI_KIND}=${id}`) };
  }
  if (devices === "all") return { driver, capabilities: ["gpu"], count: -1 };
  return { driver, capabilities: ["gpu"], ...(typeof devices === "number" ? { count: devices } : { deviceIds: devices }) };
}

/** Whether the stack's services are to find GPUs. */
export function usesGpu({ variant, device }: Pick<Settings, "variant" | "device">): boolean {
  return variant !== "cpu" && device !== "cpu";
}

/** What the service of that name gets; undefined where it has no model that could use a GPU. */
export function accelerator(settings: Settings, name: string, needs: ServiceNeeds): Accelerator | undefined {
  if (needs.gpuMemoryMegabytes === undefined) return undefined;
  const environment = { DEVICE: settings.device, ALLOW_CPU: String(settings.allowCpu) };
  if (!usesGpu(settings)) return { environment };
  // Every worker works out from it which card is whose, and so has to be told of all that share its cards.
  const sharing = gpuMemory(settings);
  return {
    deviceRequests: [deviceRequest(settings.gpu)],
    shmMegabytes: settings.shmMegabytes,
    environment: { ...environment, GPU_SERVICES: JSON.stringify(sharing), SERVICE_NAME: name },
    healthcheck: PROBE,
  };
}
