/** The GPU part of a container's arguments, from the settings. Pure functions. */
import type * as docker from "@pulumi/docker";
import type { Settings } from "../settings";
import { gpuIds, gpuNeeds, usesGpu, type GpuDevices } from "../settings/gpus";

export interface Accelerator {
  /** GPUs for the container; undefined if it uses the CPU. */
  readonly deviceRequests?: docker.types.input.ContainerDeviceRequest[];
  /** Size of /dev/shm in MiB. */
  readonly shmMegabytes?: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Shell command that succeeds while the worker's GPU answers. */
  readonly healthcheck?: string;
}

/** Seconds between checks of the GPU, because each one starts Python and NVIDIA's driver. */
const PROBE_SECONDS = 45;

/** Checks the GPU that the worker has recorded, and records the answer; see docker/common/cp_whisperx/devices.py. */
const PROBE =
  `{ test -n "$(find /tmp/device-answered -newermt '-${PROBE_SECONDS} seconds' 2>/dev/null)"` +
  " || python -m cp_whisperx.devices --check; }";

const CDI_KIND = "nvidia.com/gpu";

/**
 * The engine's request for GPUs. It always names the driver, because the provider's default is CDI, which engines before
 * version 25 do not support.
 */
export function deviceRequest(
  devices: GpuDevices,
  driver: Settings["gpu"]["driver"],
): docker.types.input.ContainerDeviceRequest {
  if (driver === "cdi") return { driver, deviceIds: gpuIds(devices).map((id) => `${CDI_KIND}=${id}`) };
  if (devices === "all") return { driver, capabilities: ["gpu"], count: -1 };
  return { driver, capabilities: ["gpu"], ...(typeof devices === "number" ? { count: devices } : { deviceIds: devices }) };
}

/** What the service of that name gets; undefined if it has no model that could use a GPU. */
export function accelerator(settings: Settings, name: string): Accelerator | undefined {
  const needs = gpuNeeds(settings).find(({ service }) => service === name);
  if (needs === undefined) return undefined;
  const environment = { DEVICE: settings.device, ALLOW_CPU: String(settings.allowCpu) };
  if (!usesGpu(settings)) return { environment };
  // Each worker computes the same placement of services on GPUs from GPU_SERVICES, so it lists all services that share its GPUs.
  const same = (devices: GpuDevices): boolean => gpuIds(devices).join() === gpuIds(needs.devices).join();
  const sharing = gpuNeeds(settings).filter(({ devices }) => same(devices)).map(({ service, megabytes }) => [service, megabytes]);
  return {
    deviceRequests: [deviceRequest(needs.devices, settings.gpu.driver)],
    shmMegabytes: settings.shmMegabytes,
    environment: { ...environment, GPU_SERVICES: JSON.stringify(Object.fromEntries(sharing)), SERVICE_NAME: name },
    healthcheck: PROBE,
  };
}
