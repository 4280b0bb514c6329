/** The GPUs of a host, as NVIDIA's driver reports them, and what a stack's services lack there. */
import { describeFull, fullGpus, gpuIds, type Gpu, type GpuDevices, type GpuNeeds } from "../settings/gpus";

export interface HostGpu {
  readonly index: string;
  readonly uuid: string;
  /** Release of the driver. */
  readonly driver: string;
  /** Memory in MiB; Infinity if the driver does not report it, as for a GPU that shares memory with the CPU. */
  readonly megabytes: number;
}

/** The host that has the GPUs. */
export interface GpuHost {
  /** The engine's host, for messages. */
  readonly place: string;
  readonly stack: string;
}

/** Older drivers do not support CUDA 12, which the images' libraries need. */
const LEAST_DRIVER = 525;

/** Reads `index, UUID, driver, MiB`, nvidia-smi's line as host/preflight.sh prints it. */
export function readGpu(line: string): HostGpu {
  const [index = "", uuid = "", driver = "", memory = ""] = line.split(",").map((field) => field.trim());
  return { index, uuid, driver, megabytes: /^\d+$/.test(memory) ? Number(memory) : Infinity };
}

/** Whether an identifier names a part of a GPU (MIG), whose memory is not checked. */
function isPart(id: string): boolean {
  return /:|^MIG-/.test(id);
}

/** The GPU with that index or UUID prefix. */
function gpuOf(gpus: readonly HostGpu[], id: string): HostGpu | undefined {
  return gpus.find(({ index, uuid }) => index === id || uuid.startsWith(id));
}

/** The GPUs that a service may use, each once: an index and a UUID may name the same GPU. */
function gpusOf(gpus: readonly HostGpu[], devices: GpuDevices): Gpu[] {
  const named = devices === "all" ? gpus : gpuIds(devices).flatMap((id) => gpuOf(gpus, id) ?? []);
  return [...new Set(named)].map(({ index, megabytes }) => ({ id: index, megabytes }));
}

function driverProblems([gpu]: readonly HostGpu[], { place }: GpuHost): string[] {
  if (gpu === undefined || !(Number.parseInt(gpu.driver) < LEAST_DRIVER)) return [];
  return [
    `NVIDIA's driver on ${place} is release ${gpu.driver}, and CUDA 12 needs ${LEAST_DRIVER} or newer; fix: update the driver`,
  ];
}

function unknownGpus(gpus: readonly HostGpu[], needs: readonly GpuNeeds[], { place }: GpuHost): string[] {
  const asked = needs.flatMap(({ service, devices }) => gpuIds(devices).map((id) => ({ service, id })));
  const unknown = asked.filter(({ id }) => id !== "all" && !isPart(id) && gpuOf(gpus, id) === undefined);
  if (unknown.length === 0) return [];
  const [ids, services] = [unknown.map(({ id }) => id), unknown.map(({ service }) => service)].map((names) => [...new Set(names)].join(", "));
  return [
    `There is no GPU ${ids} on ${place}, which has ${gpus.length}, for ${services}; ` +
      "fix: correct gpu.devices or gpuDevices; nvidia-smi --list-gpus shows the GPUs there",
  ];
}

function fullGpuProblems(gpus: readonly HostGpu[], needs: readonly GpuNeeds[], { place, stack }: GpuHost): string[] {
  const whole = needs.filter(({ devices }) => !gpuIds(devices).some(isPart));
  return fullGpus(whole, (devices) => gpusOf(gpus, devices)).map(
    (full) =>
      `${describeFull(full, ` of ${place}`)}; fix: lower gpuMemoryMegabytes (a smaller WHISPER_MODEL goes with it), ` +
      `give some of them other GPUs (gpuDevices), or pulumi config set device cpu --stack ${stack}`,
  );
}

/** What the GPUs of a host lack for these services: a sentence each, with its fix. Empty for a host without GPUs. */
export function gpuProblems(gpus: readonly HostGpu[], needs: readonly GpuNeeds[], host: GpuHost): string[] {
  if (gpus.length === 0) return [];
  const unknown = unknownGpus(gpus, needs, host);
  return [...driverProblems(gpus, host), ...(unknown.length > 0 ? unknown : fullGpuProblems(gpus, needs, host))];
}
