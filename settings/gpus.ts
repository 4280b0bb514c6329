/** Which GPUs each service with a model may use, how much GPU memory it needs, and whether the GPUs have that much. */
import { services } from "../catalog";
import { VARIANTS } from "../variants";
import type { Valid } from "./schema";

type PerService<Value> = Readonly<Record<string, Value | undefined>>;

/** `all`, a count, or a list of indices and UUIDs. */
export type GpuDevices = Valid["gpu"]["devices"];

export interface GpuNeeds {
  readonly service: string;
  /** GPU memory of its models, in MiB. */
  readonly megabytes: number;
  readonly devices: GpuDevices;
}

/** One GPU: its index or UUID, and its memory in MiB (Infinity if unknown). */
export interface Gpu {
  readonly id: string;
  readonly megabytes: number;
}

/** GPUs with too little memory for the services pinned to them. */
export interface FullGpus {
  readonly gpus: readonly Gpu[];
  /** The services that may use only these GPUs; the largest first. */
  readonly needs: readonly GpuNeeds[];
}

/** Whether the stack's services use GPUs. */
export function usesGpu({ variant, device }: Pick<Valid, "variant" | "device">): boolean {
  return VARIANTS[variant].gpu && device !== "cpu";
}

/** The GPUs and GPU memory of every service with a model: its own settings, else the stack's and the catalogue's. */
export function gpuNeeds(settings: Pick<Valid, "gpu" | "gpuDevices" | "gpuMemoryMegabytes">): GpuNeeds[] {
  const devices = settings.gpuDevices as PerService<GpuDevices>;
  const megabytes = settings.gpuMemoryMegabytes as PerService<number>;
  return services.flatMap(({ name, service: { gpu } }) => {
    if (gpu === undefined) return [];
    return [{ service: name, megabytes: megabytes[name] ?? gpu.memoryMegabytes, devices: devices[name] ?? settings.gpu.devices }];
  });
}

/** GPU indices and UUIDs, or `all`. A count stands for the first ones: 2 is GPUs 0 and 1. */
export function gpuIds(devices: GpuDevices): readonly string[] {
  return typeof devices === "number" ? Array.from({ length: devices }, (_, index) => String(index)) : [devices].flat();
}

/** Total memory of services or of GPUs, in MiB. */
export function totalMegabytes(all: readonly { readonly megabytes: number }[]): number {
  return all.reduce((sum, { megabytes }) => sum + megabytes, 0);
}

/** The GPUs that must exist according to the settings: those listed, all with a lower index, and at least one. */
function certainGpus(needs: readonly GpuNeeds[]): string[] {
  const named = needs.flatMap(({ devices }) => gpuIds(devices)).filter((id) => id !== "all");
  const first = Math.max(named.length === 0 ? 1 : 0, ...named.filter((id) => /^\d+$/.test(id)).map((id) => Number(id) + 1));
  return [...new Set([...gpuIds(first), ...named])];
}

/**
 * GPUs as far as the settings say. `all` means the GPUs that must exist. An index and a UUID count as two, because the
 * settings do not say whether they name the same GPU; host/gpus.ts checks the real ones.
 *
 * @param megabytes memory of one GPU in MiB.
 */
export function namedGpus(needs: readonly GpuNeeds[], megabytes: number): (devices: GpuDevices) => Gpu[] {
  const certain = certainGpus(needs);
  return (devices) => [...new Set(devices === "all" ? certain : gpuIds(devices))].map((id) => ({ id, megabytes }));
}

const within = (inner: readonly Gpu[], outer: readonly Gpu[]): boolean => inner.every(({ id }) => outer.some((one) => one.id === id));

function isTooSmall({ gpus, needs }: FullGpus): boolean {
  const largest = Math.max(...gpus.map(({ megabytes }) => megabytes));
  return totalMegabytes(needs) > totalMegabytes(gpus) || needs.some(({ megabytes }) => megabytes > largest);
}

/**
 * Lists of GPUs with too little memory for the services pinned to them. A list is too small if those services together need
 * more than its total, or if one of them needs more than its largest GPU, because a service runs on one GPU. If such a list
 * contains another, only the inner one is reported: its fix may fix both.
 *
 * @param gpusOf the GPUs that a service with these devices may use: at least one, each once.
 */
export function fullGpus(needs: readonly GpuNeeds[], gpusOf: (devices: GpuDevices) => readonly Gpu[]): FullGpus[] {
  const users = [...needs]
    .sort((one, other) => other.megabytes - one.megabytes)
    .map((need) => ({ need, gpus: gpusOf(need.devices) }));
  const full = users
    .map(({ gpus }) => ({ gpus, needs: users.filter((user) => within(user.gpus, gpus)).map(({ need }) => need) }))
    .filter(isTooSmall);
  return full.filter(
    ({ gpus }, index) =>
      !full.some((other, place) => within(other.gpus, gpus) && (place < index || !within(gpus, other.gpus))),
  );
}

/** The problem as a sentence; `place` says where the GPUs are: ` of this machine`. */
export function describeFull({ gpus, needs }: FullGpus, place = ""): string {
  const names = gpus.map(({ id }) => id).join(", ");
  const [who, has, them, each] =
    gpus.length === 1 ? [`GPU ${names}`, "has", "it", ""] : [`GPUs ${names}`, "have", "them", ", each on one GPU"];
  const wanted = needs.map(({ service, megabytes }) => `${service} ${megabytes}`).join(", ");
  return (
    `${who}${place} ${has} ${totalMegabytes(gpus)} MiB, and the services pinned to ${them} need ` +
    `${totalMegabytes(needs)} (${wanted})${each}`
  );
}
