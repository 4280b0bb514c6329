import { describe, expect, it } from "vitest";
import type { Settings } from "../settings";
import { parseSettings } from "../settings";
import type { GpuDevices } from "../settings/gpus";
import { accelerator, deviceRequest } from "./accelerator";

const settings = (values: Record<string, string>): Settings =>
  parseSettings({
    project: "p",
    stack: "gpu",
    values: Object.fromEntries(Object.entries(values).map(([key, value]) => [`p:${key}`, value])),
    secretKeys: [],
  });

const acceleratorOf = (service: string, values: Record<string, string>) => accelerator(settings(values), service);

describe("deviceRequest", () => {
  it.each<[GpuDevices, Settings["gpu"]["driver"], object]>([
    ["all", "nvidia", { driver: "nvidia", capabilities: ["gpu"], count: -1 }],
    [2, "nvidia", { driver: "nvidia", capabilities: ["gpu"], count: 2 }],
    [["0", "GPU-5a"], "nvidia", { driver: "nvidia", capabilities: ["gpu"], deviceIds: ["0", "GPU-5a"] }],
    ["all", "cdi", { driver: "cdi", deviceIds: ["nvidia.com/gpu=all"] }],
    [2, "cdi", { driver: "cdi", deviceIds: ["nvidia.com/gpu=0", "nvidia.com/gpu=1"] }],
    [["1:0"], "cdi", { driver: "cdi", deviceIds: ["nvidia.com/gpu=1:0"] }],
  ])("of %j by %s is %j", (devices, driver, request) => {
    expect(deviceRequest(devices, driver)).toEqual(request);
  });
});

describe("accelerator", () => {
  it("gives a stage with a model in a stack with CUDA the GPUs, shared memory, its share and a probe", () => {
    expect(acceleratorOf("asr", { variant: "cuda", gpuMemoryMegabytes: '{"asr":8192}', shmMegabytes: "2048" })).toEqual({
      deviceRequests: [{ driver: "nvidia", capabilities: ["gpu"], count: -1 }],
      shmMegabytes: 2048,
      environment: { DEVICE: "auto", ALLOW_CPU: "true", GPU_MEMORY_MEGABYTES: "8192" },
      healthcheck: "python -m cp_whisperx.devices --check",
    });
  });

  it("asks for the service's own GPUs where it has some, otherwise for the stack's", () => {
    const values = { variant: "cuda", gpu: '{"devices":2}', gpuDevices: '{"asr":["0","GPU-5a"],"diarization":"all","silero-vad":1}' };
    const requestOf = (service: string) => acceleratorOf(service, values)?.deviceRequests;
    expect(requestOf("asr")).toEqual([{ driver: "nvidia", capabilities: ["gpu"], deviceIds: ["0", "GPU-5a"] }]);
    expect(requestOf("diarization")).toEqual([{ driver: "nvidia", capabilities: ["gpu"], count: -1 }]);
    expect(requestOf("silero-vad")).toEqual([{ driver: "nvidia", capabilities: ["gpu"], count: 1 }]);
    expect(requestOf("pyannote-vad")).toEqual([{ driver: "nvidia", capabilities: ["gpu"], count: 2 }]);
  });

  it.each<Record<string, string>>([{ variant: "cpu" }, { variant: "cuda", device: "cpu" }])("asks for no GPU with %j", (values) => {
    expect(acceleratorOf("asr", values)).toEqual({ environment: { DEVICE: values.device ?? "auto", ALLOW_CPU: "true" } });
  });

  it("is nothing for a stage without such a model", () => {
    expect(acceleratorOf("demux", { variant: "cuda" })).toBeUndefined();
    expect(acceleratorOf("queue", { variant: "cuda" })).toBeUndefined();
  });
});
