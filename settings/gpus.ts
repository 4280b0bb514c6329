/** Which GPUs each service with a model may use, what it wants of their memory, and whether that is there. */
import type { z } from "zod";
import { catalog } from "../images/catalog";
import type { schema } from "./schema";

type Valid = z.output<typeof schema>;
type PerService<Value> = Readonly<Record<string, Value | undefined>>;

/** `all`, a count, or a list of indices and UUIDs. */
export type GpuDevices = Valid["gpu"]["devices"];

export interface GpuNeeds {
  readonly service: string;
  /** GPU memory that its models take, in MiB. */
  readonly megabytes: number;
  readonly devices: GpuDevices;
}

/** Services that want more than the GPUs have that they may use. */
export interface FullGpus {
  /** Their indices and UUIDs. */
  readonly gpus: readonly string[];
  /** Every service that may use no other GPU than these; the largest first. */
  readonly needs: readonly GpuNeeds[];
}

/** What every service with a model wants of the GPUs: its own settings, else the stack's and the catalogue's. */
export function gpuNeeds(settings: Pick<Valid, "gpu" | "gpuDevices" | "gpuMemoryMegabytes">): GpuNeeds[] {
  const devices = settings.gpuDevices as PerService<GpuDevices>;
  const megabytes = settings.gpuMemoryMegabytes as PerService<number>;
  return catalog.flatMap(({ name, service }) => {
    const usual = service?.gpuMemoryMegabytes;
    if (usual === undefined) return [];
    return [{ service: name, megabytes: megabytes[name] ?? usual, devices: devices[name] ?? settings.gpu.devices }];
  });
}

/** The GPUs one by one, or `all`; engines take a count for the first ones. */
export function gpuIds(devices: GpuDevices): readonly string[] {
  return typeof devices === "number" ? Array.from({ length: devices }, (_, index) => String(index)) : [devices].flat();
}

/** The memory that services want together, in MiB. */
export function totalMegabytes(needs: readonly GpuNeeds[]): number {
  return needs.reduce((sum, { megabytes }) => sum + megabytes, 0);
}

/** The GPUs that are there for certain: those that services name, with GPU 1 also GPU 0, and one at least. */
function certainGpus(needs: readonly GpuNeeds[]): string[] {
  const named = needs.flatMap(({ devices }) => gpuIds(devices)).filter((id) => id !== "all");
  const first = Math.max(named.length === 0 ? 1 : 0, ...named.filter((id) => /^\d+$/.test(id)).map((id) => Number(id) + 1));
  return [...new Set([...gpuIds(first), ...named])];
}

const within = (inner: readonly string[], outer: readonly string[]): boolean => inner.every((id) => outer.includes(id));

/**
 * Every list of GPUs, of those that services have, that is too small for the services which may use no GPU outside it: for
 * all of them together, or for one of them, since each runs on one GPU. So services that are pinned to one GPU must fit
 * there, and those with a choice share what their GPUs have together. Where such a list holds another, only the inner one
 * is told: what mends that may mend both.
 *
 * `all` counts for the GPUs that are there for certain. An index and a UUID count as two, because nothing here knows
 * whether they name one card; services/preflight.sh asks the host.
 *
 * @param megabytes memory of one GPU in MiB.
 */
export function fullGpus(needs: readonly GpuNeeds[], megabytes: number): FullGpus[] {
  const certain = certainGpus(needs);
  const users = [...needs]
    .sort((one, other) => other.megabytes - one.megabytes)
    .map((need) => ({ need, gpus: need.devices === "all" ? certain : [...new Set(gpuIds(need.devices))] }));
  const full = users
    .map(({ gpus }) => ({ gpus, needs: users.filter((user) => within(user.gpus, gpus)).map(({ need }) => need) }))
    .filter((one) => totalMegabytes(one.needs) > one.gpus.length * megabytes || one.needs.some((need) => need.megabytes > megabytes));
  return full.filter(
    ({ gpus }, index) =>
      !full.some((other, place) => within(other.gpus, gpus) && (place < index || !within(gpus, other.gpus))),
  );
}
