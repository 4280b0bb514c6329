import { describe, expect, it } from "vitest";
import type { GpuDevices, GpuNeeds } from "../settings/gpus";
import { gpuProblems, readGpu } from "./gpus";

const HOST = { place: "ssh://me@gpu-1", stack: "gpu" };
const gpu = (index: number, megabytes: number | string = 15_360, driver = "570.86.15"): string =>
  `${index}, GPU-${index}abc, ${driver}, ${megabytes}`;
const need = (service: string, megabytes: number, devices: GpuDevices): GpuNeeds => ({ service, megabytes, devices });
const problems = (gpus: readonly string[], ...needs: GpuNeeds[]): string[] => gpuProblems(gpus.map(readGpu), needs, HOST);
const saying = (...lines: RegExp[]): string[] => lines.map((line) => expect.stringMatching(line) as string);

describe("gpuProblems", () => {
  it("reports no problem if all GPUs exist, by index, UUID, count or all", () => {
    const needs = [need("a", 5000, ["0"]), need("b", 5000, ["GPU-0abc"]), need("c", 5360, 1), need("d", 15_360, "all")];
    expect(problems([gpu(0), gpu(1)], ...needs)).toEqual([]);
    expect(problems([], ...needs)).toEqual([]);
  });

  it("names missing GPUs and the services that list them, and skips the memory check then", () => {
    const needs = [need("a", 1, ["0", "1", "2"]), need("b", 1, ["GPU-1abc", "GPU-x"]), need("c", 99_999, 3), need("d", 1, ["1"])];
    expect(problems([gpu(0), gpu(1)], ...needs)).toEqual([
      "There is no GPU 2, GPU-x on ssh://me@gpu-1, which has 2, for a, b, c; " +
        "fix: correct gpu.devices or gpuDevices; nvidia-smi --list-gpus shows the GPUs there",
    ]);
  });

  it("requires the memory of a GPU for the services pinned to it, by index or UUID", () => {
    const gpus = [gpu(0), gpu(1, 8192)];
    const needs = [need("a", 6144, ["1"]), need("b", 2048, ["GPU-1abc"]), need("c", 15_360, ["0"])];
    expect(problems(gpus, ...needs)).toEqual([]);
    expect(problems(gpus, ...needs, need("d", 512, ["GPU-1"]))).toEqual(
      saying(/^GPU 1 of ssh:\/\/me@gpu-1 has 8192 MiB, .* pinned to it need 8704 \(a 6144, b 2048, d 512\); fix: .*gpuMemoryMegabytes.*device cpu --stack gpu$/),
    );
    expect(problems(gpus, ...needs, need("d", 1, ["1", "GPU-1abc"]), need("e", 1, ["GPU-0abc"]))).toEqual(
      saying(/^GPU 0 .* need 15361 \(c 15360, e 1\)/, /^GPU 1 .* need 8193 \(a/),
    );
  });

  it("requires the memory of all listed GPUs for the services that may use any of them, and of one GPU for each", () => {
    const gpus = [gpu(0), gpu(1), gpu(2, 4096)];
    const needs = [need("a", 15_360, 2), need("b", 15_360, ["GPU-1abc", "0"])];
    expect(problems(gpus, ...needs, need("c", 4096, "all"))).toEqual([]);
    expect(problems(gpus, ...needs, need("c", 4097, "all"))).toEqual(
      saying(/^GPUs 0, 1, 2 of ssh:\/\/me@gpu-1 have 34816 MiB, .* pinned to them need 34817 \(a 15360, b 15360, c 4097\)/),
    );
    expect(problems(gpus, need("a", 15_361, 2))).toEqual(saying(/^GPUs 0, 1 .* have 30720 MiB, .* need 15361 \(a 15361\), each on one GPU/));
  });

  it("skips MIG devices, and GPUs that do not report their memory", () => {
    expect(problems([gpu(0)], need("a", 30_000, ["0:1"]), need("b", 30_000, ["MIG-5"]), need("c", 15_360, ["0"]))).toEqual([]);
    expect(problems([gpu(0)], need("a", 30_000, ["0:1", "7"]))).toEqual(saying(/^There is no GPU 7 .* for a;/));
    expect(problems([gpu(0, "[N/A]"), gpu(1, 1000)], need("a", 30_000, ["0"]), need("b", 30_000, "all"))).toEqual([]);
    expect(problems([gpu(0, "[N/A]"), gpu(1, 1000)], need("a", 1001, ["1"]))).toEqual(saying(/^GPU 1 .* has 1000 MiB/));
  });

  it("requires a driver for CUDA 12, if the driver reports its release", () => {
    expect(problems([gpu(0, 15_360, "470.1")])).toEqual([
      "NVIDIA's driver on ssh://me@gpu-1 is release 470.1, and CUDA 12 needs 525 or newer; fix: update the driver",
    ]);
    expect(problems([gpu(0, 15_360, "525.60.13")])).toEqual([]);
    expect(problems([gpu(0, 15_360, "[N/A]")])).toEqual([]);
  });
});
