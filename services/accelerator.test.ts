import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
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
  it("gives a stage with a model in a CUDA stack GPUs, shared memory, its share and a health check", () => {
    expect(acceleratorOf("asr", { variant: "cuda", gpuMemoryMegabytes: '{"asr":8192}', shmMegabytes: "2048" })).toEqual({
      deviceRequests: [{ driver: "nvidia", capabilities: ["gpu"], count: -1 }],
      shmMegabytes: 2048,
      environment: {
        DEVICE: "auto",
        ALLOW_CPU: "true",
        GPU_SERVICES: '{"pyannote-vad":1024,"diarization":2048,"asr":8192,"second-pass-translation":4096}',
        SERVICE_NAME: "asr",
      },
      healthcheck: expect.stringContaining("python -m cp_whisperx.devices --check") as string,
    });
  });

  it("requests the service's own GPUs or else the stack's, and lists the services that share them", () => {
    const values = { variant: "cuda", gpu: '{"devices":2}', gpuDevices: '{"asr":["0","GPU-5a"],"diarization":"all"}' };
    const requestOf = (service: string) => acceleratorOf(service, values)?.deviceRequests;
    const sharing = (service: string) => Object.keys(JSON.parse(acceleratorOf(service, values)?.environment.GPU_SERVICES ?? "") as object);
    expect(requestOf("asr")).toEqual([{ driver: "nvidia", capabilities: ["gpu"], deviceIds: ["0", "GPU-5a"] }]);
    expect(sharing("asr")).toEqual(["asr"]);
    expect(requestOf("diarization")).toEqual([{ driver: "nvidia", capabilities: ["gpu"], count: -1 }]);
    expect(requestOf("pyannote-vad")).toEqual([{ driver: "nvidia", capabilities: ["gpu"], count: 2 }]);
    expect(sharing("pyannote-vad").sort()).toEqual(["pyannote-vad", "second-pass-translation"]);
  });

  it("checks the GPU again only after 45 seconds, and at once after a failure", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "probe-"));
    writeFileSync(path.join(folder, "python"), "#!/bin/sh\necho asked >>$FOLDER/asked\nexit $STATUS\n", { mode: 0o755 });
    const probe = acceleratorOf("asr", { variant: "cuda" })?.healthcheck?.replaceAll("/tmp/", `${folder}/`) ?? "";
    const check = (before: string, status: number) =>
      spawnSync("sh", ["-c", `${before} && ${probe}`], {
        env: { PATH: `${folder}:${process.env.PATH}`, FOLDER: folder, STATUS: String(status) },
      }).status;
    const asked = () => readFileSync(path.join(folder, "asked"), "utf8").split("\n").length - 1;
    expect(check("true", 1)).toBe(1);
    expect(check("true", 0)).toBe(0);
    expect(asked()).toBe(2);
    const answered = path.join(folder, "device-answered");
    writeFileSync(answered, "");
    expect(check("true", 1)).toBe(0);
    expect(check("false", 0)).toBe(1);
    expect(asked()).toBe(2);
    utimesSync(answered, Date.now() / 1000 - 46, Date.now() / 1000 - 46);
    expect(check("true", 1)).toBe(1);
    expect(asked()).toBe(3);
    rmSync(folder, { recursive: true });
  });

  it.each<Record<string, string>>([{ variant: "cpu" }, { variant: "cuda", device: "cpu" }])("requests no GPU with %j", (values) => {
    expect(acceleratorOf("asr", values)).toEqual({ environment: { DEVICE: values.device ?? "auto", ALLOW_CPU: "true" } });
  });

  it("is undefined for a stage without such a model", () => {
    expect(acceleratorOf("demux", { variant: "cuda" })).toBeUndefined();
    expect(acceleratorOf("queue", { variant: "cuda" })).toBeUndefined();
    expect(acceleratorOf("silero-vad", { variant: "cuda" })).toBeUndefined();
    expect(acceleratorOf("lyrics-detection", { variant: "cuda-slim", native: '{"environment":"/env"}' })).toBeUndefined();
  });
});
