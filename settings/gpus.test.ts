import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeFull, fullGpus, gpuIds, namedGpus, totalMegabytes, type FullGpus, type Gpu, type GpuDevices, type GpuNeeds } from "./gpus";

const need = (service: string, megabytes: number, devices: GpuDevices): GpuNeeds => ({ service, megabytes, devices });

const names = (gpus: readonly Gpu[]): string => gpus.map(({ id }) => id).join(" ");

/** The lists that are too small if each GPU has this much memory. */
const fullOf = (needs: readonly GpuNeeds[], megabytes: number): FullGpus[] => fullGpus(needs, namedGpus(needs, megabytes));

/** The same with the services pinned to them. */
const tooSmall = (megabytes: number, ...needs: GpuNeeds[]): [string, string][] =>
  fullOf(needs, megabytes).map((full) => [names(full.gpus), full.needs.map(({ service }) => service).join(" ")]);

describe("fullGpus", () => {
  it("requires the memory of a GPU for the services pinned to it, by name or as the first", () => {
    const needs = [need("a", 4000, ["0"]), need("b", 3000, 1), need("c", 5000, ["1"])];
    expect(tooSmall(7000, ...needs)).toEqual([]);
    expect(tooSmall(6999, ...needs)).toEqual([["0", "a b"]]);
    expect(tooSmall(4999, ...needs)).toEqual([["1", "c"], ["0", "a b"]]);
  });

  it("requires the memory of all listed GPUs for the services that may use any of them, and of one GPU for each", () => {
    const needs = [need("a", 4000, ["0", "1"]), need("b", 4000, 2), need("c", 2000, ["1", "0"])];
    expect(tooSmall(5000, ...needs)).toEqual([]);
    expect(tooSmall(4999, ...needs)).toEqual([["0 1", "a b c"]]);
    expect(tooSmall(5000, need("a", 4000, ["0"]), need("b", 5001, 2))).toEqual([["0 1", "b a"]]);
    expect(tooSmall(5000, need("a", 4000, ["0", "0"]), need("b", 4000, ["0", "0"]))).toEqual([["0", "a b"]]);
  });

  it("lets services with several GPUs leave memory to those with one", () => {
    const needs = [need("pinned", 4000, ["0"]), need("free", 4000, 2)];
    expect(tooSmall(4000, ...needs)).toEqual([]);
    expect(tooSmall(4000, ...needs, need("more", 1, ["0"]))).toEqual([["0", "pinned more"]]);
    expect(tooSmall(4000, ...needs, need("more", 1, 2))).toEqual([["0 1", "pinned free more"]]);
  });

  it.each<[string, number, GpuDevices[]]>([
    ["one GPU where nothing says more", 1, []],
    ["the GPUs that are named", 2, [["GPU-a"], ["GPU-b"]]],
    ["those before one that is named, too", 3, [["2"]]],
    ["an index and a UUID as two", 2, [["0"], ["GPU-a"]]],
    ["a GPU that is named twice as one", 1, [["0"], 1]],
  ])("takes all for %s", (_, count, named) => {
    const others = named.map((devices) => need("other", 0, devices));
    const free = Array.from({ length: count + 1 }, () => need("free", 1000, "all"));
    expect(fullOf([...free.slice(1), ...others], 1000)).toEqual([]);
    expect(fullOf([...free, ...others], 1000)).toHaveLength(1);
  });

  it("adds up the real memory of each GPU, and ignores GPUs of unknown memory", () => {
    const memory: Record<string, number> = { "0": 8000, "1": 4000, "2": Infinity };
    const real = (devices: GpuDevices): Gpu[] => gpuIds(devices).map((id) => ({ id, megabytes: memory[id] ?? 0 }));
    expect(fullGpus([need("a", 8000, 2), need("b", 4000, 2)], real)).toEqual([]);
    const [full] = fullGpus([need("b", 4001, 2), need("a", 8000, 2)], real);
    expect(full && describeFull(full, " of gpu-1")).toBe(
      "GPUs 0, 1 of gpu-1 have 12000 MiB, and the services pinned to them need 12001 (a 8000, b 4001), each on one GPU",
    );
    expect(fullGpus([need("a", 4001, ["1"]), need("b", 99_999, ["2"])], real).map(({ gpus }) => names(gpus))).toEqual(["1"]);
    expect(fullGpus([need("a", 99_999, 3)], real)).toEqual([]);
  });

  const GPUS = 4;
  const megabytes = fc.integer({ min: 128, max: 8192 });
  const gpu = fc.integer({ min: 0, max: GPUS - 1 });
  const someGpus = fc.uniqueArray(gpu, { minLength: 1 }).map((gpus) => gpus.map(String));
  /** Devices of a service that runs on GPU `home`: that one, also others, the first ones or all. */
  const devicesAround = (home: number): fc.Arbitrary<GpuDevices> =>
    fc.oneof(
      fc.constant(home).map((only) => [String(only)]),
      someGpus.map((others) => [...others, String(home)]),
      fc.integer({ min: home + 1, max: GPUS }),
      // All is one GPU for certain.
      ...(home === 0 ? [fc.constant("all" as const)] : []),
    );

  it("never rejects services that fit on the GPUs one by one", () => {
    const placed = gpu.chain((home) => fc.record({ home: fc.constant(home), megabytes, devices: devicesAround(home) }));
    fc.assert(
      fc.property(fc.array(placed, { minLength: 1, maxLength: 8 }), (services) => {
        const needs = services.map((one, index) => need(`service ${index}`, one.megabytes, one.devices));
        const taken = services.map(({ home }) => totalMegabytes(needs.filter((_, index) => services[index]?.home === home)));
        expect(fullOf(needs, Math.max(...taken))).toEqual([]);
      }),
    );
  });

  it("always reports services that need more than their only GPU has, and reports nothing false", () => {
    const devices = fc.oneof(someGpus, someGpus.map((gpus) => gpus.slice(0, 1)), fc.integer({ min: 1, max: GPUS }));
    const services = fc.array(fc.record({ service: fc.uuid(), megabytes, devices }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(services, fc.integer({ min: 1024, max: 16_384 }), (needs, there) => {
        const full = fullOf(needs, there);
        for (let index = 0; index < GPUS; index++) {
          const pinned = needs.filter((one) => [...new Set(gpuIds(one.devices))].join() === String(index));
          expect(full.some(({ gpus }) => names(gpus) === String(index))).toBe(totalMegabytes(pinned) > there);
        }
        for (const one of full) {
          expect(one.needs.every((each) => gpuIds(each.devices).every((id) => one.gpus.some((gpu) => gpu.id === id)))).toBe(true);
          const largest = Math.max(...one.needs.map((each) => each.megabytes));
          expect(totalMegabytes(one.needs) > one.gpus.length * there || largest > there).toBe(true);
        }
      }),
    );
  });
});
