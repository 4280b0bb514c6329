/** Which GPUs each service with a model may use, what it wants of their memory, and whether that is there. */
import { services } from "../catalog";
import { VARIANTS } from "../variants";
import type { Valid } from "./schema";

type PerService<Value> = Readonly<Record<string, Value | undefined>>;

/** `all`, a count, or a list of indices and UUIDs. */
export type GpuDevices = Valid["gpu"]["devices"];

export interface GpuNeeds {
  readonly service: string;
  /** GPU memory that its models take, in MiB. */
  readonly megabytes: number;
  readonly devices: GpuDevices;
}

/** One GPU: what tells it from the others, and its memory in MiB (Infinity where nobody knows). */
export interface Gpu {
  readonly id: string;
  readonly megabytes: number;
}

/** Services that want more than the GPUs have that they may use. */
export interface FullGpus {
  readonly gpus: readonly Gpu[];
  /** Every service that may use no other GPU than these; the largest first. */
  readonly needs: readonly GpuNeeds[];
}

/** Whether the stack's services are to find GPUs. */
export function usesGpu({ variant, device }: Pick<Valid, "variant" | "device">): boolean {
  return VARIANTS[variant].gpu && device !== "cpu";
}

/** What every service with a model wants of the GPUs: its own settings, else the stack's and the catalogue's. */
export function gpuNeeds(settings: Pick<Valid, "gpu" | "gpuDevices" | "gpuMemoryMegabytes">): GpuNeeds[] {
  const devices = settings.gpuDevices as PerService<GpuDevices>;
  const megabytes = settings.gpuMemoryMegabytes as PerService<number>;
  return services.flatMap(({ name, service: { gpu } }) => {
    if (gpu === undefined) return [];
    return [{ service: name, megabytes: megabytes[name] ?? gpu.memoryMegabytes, devices: devices[name] ?? settings.gpu.devices }];
  });
}

/** The GPUs one by one, or `all`; engines take a count for the first ones. */
export function gpuIds(devices: GpuDevices): readonly string[] {
  return typeof devices === "number" ? Array.from({ length: devices }, (_, index) => String(index)) : [devices].flat();
}

/** The memory of services or of GPUs together, in MiB. */
export function totalMegabytes(all: readonly { readonly megabytes: number }[]): number {
  return all.reduce((sum, { megabytes }) => sum + megabytes, 0);
}

/** The GPUs that are there for certain: those that services name, with GPU 1 also GPU 0, and one at least. */
function certainGpus(needs: readonly GpuNeeds[]): string[] {
  const named = needs.flatMap(({ devices }) => gpuIds(devices)).filter((id) => id !== "all");
  const first = Math.max(named.length === 0 ? 1 : 0, ...named.filter((id) => /^\d+$/.test(id)).map((id) => Number(id) + 1));
  return [...new Set([...gpuIds(first), ...named])];
}

/**
 * GPUs as far as the settings tell. `all` counts for the GPUs that are there for certain. An index and a UUID count as two,
 * because the settings do not say whether they name one card; host/cards.ts knows.
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
 * Every list of GPUs, of those that services have, that is too small for the services which may use no GPU outside it: for
 * all of them together, or for one of them, since each runs on one GPU. So services that are pinned to one GPU must fit
 * there, and those with a choice share what their GPUs have together. Where such a list holds another, only the inner one
 * is reported: its fix may fix both.
 *
 * @param gpusOf the GPUs that a service with these devices may use: one at least, each once.
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

/** GPUs, their memory and the services that want more, as a sentence; `place` is whose GPUs they are: ` of this machine`. */
export function describeFull({ gpus, needs }: FullGpus, place = ""): string {
  const names = gpus.map(({ id }) => id).join(", ");
  const [who, has, other, each] =
    gpus.length === 1 ? [`GPU ${names}`, "has", "other", ""] : [`GPUs ${names}`, "have", "others", ", each on one of them"];
  const wanted = needs.map(({ service, megabytes }) => `${service} ${megabytes}`).join(", ");
  return (
    `${who}${place} ${has} ${totalMegabytes(gpus)} MiB, and the services that may use no ${other} want ` +
    `${totalMegabytes(needs)} (${wanted})${each}`
  );
}
