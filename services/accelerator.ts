/** What a service with a model gets of the host's GPUs: from settings to container, without any resource. */
import type * as docker from "@pulumi/docker";
import type { Settings } from "../settings";
import { gpuIds, gpuNeeds, usesGpu, type GpuDevices } from "../settings/gpus";

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
const PROBE_SECONDS = 45;

/** Asks NVIDIA's driver for the card that the worker has noted, and notes the answer; docker/common/cp_whisperx/devices.py. */
const PROBE =
  `{ test -n "$(find /tmp/device-answered -newermt '-${PROBE_SECONDS} seconds' 2>/dev/null)"` +
  " || python -m cp_whisperx.devices --check; }";

const CDI_KIND = "nvidia.com/gpu";

/**
 * The request by which the engine hands over GPUs. The driver is always said: the provider's default is CDI, which
 * engines before version 25 do not know.
 */
export function deviceRequest(
  devices: GpuDevices,
  driver: Settings["gpu"]["driver"],
): docker.types.input.ContainerDeviceRequest {
  if (driver === "cdi") return { driver, deviceIds: gpuIds(devices).map((id) => `${CDI_KIND}=${id}`) };
  if (devices === "all") return { driver, capabilities: ["gpu"], count: -1 };
  return { driver, capabilities: ["gpu"], ...(typeof devices === "number" ? { count: devices } : { deviceIds: devices }) };
}

/** What the service of that name gets; undefined where it has no model that could use a GPU. */
export function accelerator(settings: Settings, name: string): Accelerator | undefined {
  const needs = gpuNeeds(settings).find(({ service }) => service === name);
  if (needs === undefined) return undefined;
  const environment = { DEVICE: settings.device, ALLOW_CPU: String(settings.allowCpu) };
  if (!usesGpu(settings)) return { environment };
  // Every worker works out from it which card is whose, and so has to be told of all that share its cards.
  const same = (devices: GpuDevices): boolean => gpuIds(devices).join() === gpuIds(needs.devices).join();
  const sharing = gpuNeeds(settings).filter(({ devices }) => same(devices)).map(({ service, megabytes }) => [service, megabytes]);
  return {
    deviceRequests: [deviceRequest(needs.devices, settings.gpu.driver)],
    shmMegabytes: settings.shmMegabytes,
    environment: { ...environment, GPU_SERVICES: JSON.stringify(Object.fromEntries(sharing)), SERVICE_NAME: name },
    healthcheck: PROBE,
  };
}
