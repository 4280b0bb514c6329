import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSettings } from "../settings";
import { questions } from "./preflight";

const SCRIPT = path.join(__dirname, "preflight.sh");
/** The programs of the system that the script uses. */
const TOOLS = ["awk", "bash", "cat", "grep", "sh", "sort", "tail", "tr", "wc"];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "preflight-"));
  mkdirSync(path.join(folder, "bin"));
  for (const tool of TOOLS) symlinkSync(execFileSync("which", [tool], { encoding: "utf8" }).trim(), path.join(folder, "bin", tool));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Puts a double of a program on the path; `body` is its shell script. */
function double(program: string, body: string): void {
  const file = path.join(folder, "bin", program);
  rmSync(file, { force: true });
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
}

interface Host {
  readonly version?: string;
  readonly runtimes?: string;
  readonly cdiFolders?: string;
  readonly containers?: string;
  readonly cards?: readonly string[];
  readonly freeMegabytes?: number | string;
}

const T4 = (index: number, driver = "570.86.15", megabytes = 15_360): string => `${index}, GPU-${index}abc, ${driver}, ${megabytes}`;

/** Doubles of an engine and of NVIDIA's driver; everything is there unless said otherwise. */
function host({
  version = "28.5.2",
  runtimes = "io.containerd.runc.v2\\nnvidia\\nrunc",
  cdiFolders = "",
  containers = "",
  cards = [T4(0)],
  freeMegabytes = 100_000,
}: Host = {}): void {
  double(
    "docker",
    `echo "$DOCKER_HOST" >"${folder}/docker-host"
case "$*" in
  *Server.Version*) echo ${version} ;;
  *Runtimes*) printf '${runtimes}\\n' ;;
  *CDISpecDirs*) printf '${cdiFolders}\\n' ;;
  *DockerRootDir*) echo /var/lib/docker ;;
  *label=cp-whisperx.stack=gpu*) printf '${containers}' ;;
  *) exit 64 ;;
esac`,
  );
  double("nvidia-smi", `printf '%s\\n' ${cards.map((card) => `'${card}'`).join(" ")}`);
  double("df", `[ "$3" = /var/lib/docker ] && printf 'Avail\\n${freeMegabytes}\\n'`);
}

const GPU = { STACK: "gpu", DISK_MEGABYTES: "20000", GPU_DRIVER: "nvidia", GPU_SERVICES: "asr 10240 all\ndiarization 4096 all" };
/** The same with other services: what each of them wants in MiB, and of which GPUs. */
const gpu = (...services: string[]) => ({ ...GPU, GPU_SERVICES: services.join("\n") });

function preflight(environment: Record<string, string>, password = ""): { status: number | null; lines: string[] } {
  const { status, stdout, stderr } = spawnSync("bash", [SCRIPT], {
    env: { PATH: path.join(folder, "bin"), ...environment },
    input: password,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return { status, lines: stdout.split("\n").filter((line) => line !== "") };
}

const NOTHING_MISSING = { status: 0, lines: [] };
const missing = (...lines: (string | RegExp)[]) => ({
  status: 1,
  lines: lines.map((line) => expect.stringMatching(line) as string),
});

describe("preflight.sh", () => {
  it("says nothing where nothing is missing", () => {
    host();
    expect(preflight(GPU)).toEqual(NOTHING_MISSING);
    expect(preflight(gpu("asr 10240 0", "diarization 4096 GPU-0abc"))).toEqual(NOTHING_MISSING);
  });

  it("says what is missing, all of it, one line each with the way out", () => {
    host({ runtimes: "runc", cards: [T4(0, "470.1", 8192)], freeMegabytes: 500 });
    expect(preflight(GPU)).toEqual(
      missing(
        /^The engine of this machine has no NVIDIA runtime.*; way out: install the NVIDIA Container Toolkit/,
        /^NVIDIA's driver on this machine is release 470.1, and CUDA 12 needs 525 or newer; way out: update the driver/,
        /^GPU 0 of this machine has 8192 MiB, and the services that may use no other want 14336 \(asr 10240, diarization 4096\); way out: .*gpuMemoryMegabytes/,
        /^There are 500 MiB free below \/var\/lib\/docker on this machine, and the stack takes up to 20000 MiB; way out: make room/,
      ),
    );
  });

  it("names a docker command, an engine or a driver that is not there", () => {
    host();
    rmSync(path.join(folder, "bin", "docker"));
    expect(preflight(GPU)).toEqual(missing(/^This machine has no docker command; way out: install Docker/));
    double("docker", "echo warning; echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    expect(preflight(GPU)).toEqual(missing(/does not answer: Cannot connect to the Docker daemon; way out: start it/));
    host();
    rmSync(path.join(folder, "bin", "nvidia-smi"));
    expect(preflight(GPU)).toEqual(missing(/^NVIDIA's driver does not answer on this machine: .*not found; way out: install/));
    double("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9");
    expect(preflight(GPU)).toEqual(missing(/does not answer on this machine: NVIDIA-SMI has failed/));
  });

  it("takes NVIDIA's hook on the engine's path for a runtime", () => {
    host({ runtimes: "runc" });
    double("nvidia-container-runtime-hook", "true");
    expect(preflight(GPU)).toEqual(NOTHING_MISSING);
  });

  it("wants an engine from version 25 for CDI, that reads descriptions and has one", () => {
    const cdi = { ...GPU, GPU_DRIVER: "cdi" };
    const folders = path.join(folder, "cdi");
    mkdirSync(folders);
    host({ version: "20.10.24", cdiFolders: folders });
    expect(preflight(cdi).lines[0]).toMatch(/version 20.10.24, and CDI needs 25 or newer; way out: .*gpu.driver nvidia --stack gpu/);
    expect(preflight(GPU)).toEqual(NOTHING_MISSING);
    host({ cdiFolders: "" });
    expect(preflight(cdi)).toEqual(missing(/does not use CDI; way out: put "features": {"cdi": true}/));
    host({ cdiFolders: `/nowhere\\n${folders}` });
    expect(preflight(cdi)).toEqual(missing(/No CDI description .*nowhere, .*; way out: .*nvidia-ctk cdi generate/));
    writeFileSync(path.join(folders, "nvidia.yaml"), "kind: nvidia.com/gpu\n");
    expect(preflight(cdi)).toEqual(NOTHING_MISSING);
    host({ version: "19.03.15" });
    expect(preflight(GPU)).toEqual(missing(/version 19.03.15, and 20 or newer is needed/));
  });

  it("names the GPUs that are not there, and the services that ask for them", () => {
    host({ cards: [T4(0), T4(1)] });
    expect(preflight(gpu("asr 1 0,1,2", "diarization 1 GPU-1abc,GPU-x", "silero-vad 1 2", "pyannote-vad 1 1"))).toEqual(
      missing(/^There is no GPU 2, GPU-x on this machine, which has 2, for asr, diarization, silero-vad; way out: .*nvidia-smi --list-gpus.*gpuDevices/),
    );
  });

  it("wants room on a GPU for the services that are pinned to it, by index or UUID", () => {
    host({ cards: [T4(0), T4(1, "570.86.15", 8192)] });
    const services = ["asr 6144 1", "second-pass-translation 2048 GPU-1abc", "diarization 15360 0"];
    expect(preflight(gpu(...services))).toEqual(NOTHING_MISSING);
    expect(preflight(gpu(...services, "silero-vad 512 GPU-1"))).toEqual(
      missing(/^GPU 1 of this machine has 8192 MiB, .* no other want 8704 \(asr 6144, second-pass-translation 2048, silero-vad 512\)/),
    );
    expect(preflight(gpu(...services, "silero-vad 1 1", "lyrics-detection 1 GPU-0abc"))).toEqual(
      missing(/^GPU 0 .* want 15361 \(diarization 15360, lyrics-detection 1\)/, /^GPU 1 .* want 8193 \(asr/),
    );
  });

  it("wants room on all its GPUs together for services that have a choice, and on one of them for each", () => {
    host({ cards: [T4(0), T4(1), T4(2, "570.86.15", 4096)] });
    expect(preflight(gpu("asr 15360 0,1", "diarization 15360 GPU-1abc,0", "silero-vad 4096 all"))).toEqual(NOTHING_MISSING);
    expect(preflight(gpu("asr 15360 0,1", "diarization 15360 1,0", "silero-vad 4097 all"))).toEqual(
      missing(/^GPUs 0, 1, 2 of this machine have 34816 MiB, .* no others want 34817 \(asr 15360, diarization 15360, silero-vad 4097\)/),
    );
    expect(preflight(gpu("asr 15361 0,1"))).toEqual(missing(/^GPUs 0, 1 .* have 30720 MiB, .* want 15361 \(asr 15361\), each on one of them/));
  });

  it("asks nothing of parts of a GPU", () => {
    host();
    expect(preflight(gpu("asr 30000 0:1", "diarization 30000 MIG-5", "silero-vad 15360 0"))).toEqual(NOTHING_MISSING);
    expect(preflight(gpu("asr 30000 0:1,7"))).toEqual(missing(/^There is no GPU 7 .* for asr;/));
  });

  it("wants the whole room for a first deployment alone, and asks no disk that cannot be seen", () => {
    host({ freeMegabytes: 5000, containers: "0123456789ab" });
    expect(preflight(GPU)).toEqual(NOTHING_MISSING);
    host({ freeMegabytes: 500, containers: "0123456789ab" });
    expect(preflight(GPU)).toEqual(missing(/takes up to 1024 MiB/));
    host({ freeMegabytes: "" });
    expect(preflight(GPU)).toEqual(NOTHING_MISSING);
  });

  it("wants the host's Python environment where containers are to mount it", () => {
    host();
    const native = { ...GPU, NATIVE_ENVIRONMENT: path.join(folder, "environment") };
    expect(preflight(native)).toEqual(missing(/^There is no Python environment in .*environment on this machine .*; way out: make native-environment/));
    mkdirSync(native.NATIVE_ENVIRONMENT);
    expect(preflight(native)).toEqual(NOTHING_MISSING);
  });

  it("asks no driver where no GPU is used", () => {
    host();
    double("nvidia-smi", "exit 9");
    expect(preflight({ STACK: "cpu", DISK_MEGABYTES: "1" })).toEqual(NOTHING_MISSING);
  });

  it("asks the machine of another engine, by ssh", () => {
    host();
    for (const program of ["nvidia-smi", "df"]) rmSync(path.join(folder, "bin", program));
    double("ssh", `echo "$3" >>"${folder}/asked"\ncase "$4" in nvidia-smi*) echo '${T4(0)}' ;; df*) printf 'Avail\\n500\\n' ;; *) exit 1 ;; esac`);
    const remote = "ssh://me@gpu-1:2222";
    expect(preflight({ ...GPU, DOCKER_HOST: remote })).toEqual(missing(/^There are 500 MiB free .* on ssh:\/\/me@gpu-1:2222,/));
    const read = (name: string): string => execFileSync("cat", [path.join(folder, name)], { encoding: "utf8" });
    expect(new Set(read("asked").trim().split("\n"))).toEqual(new Set([remote]));
    expect(read("docker-host").trim()).toBe(remote);
  });
});

describe("preflight.sh and a registry", () => {
  const registry = { STACK: "cpu", REGISTRY: "registry.example.org", REGISTRY_SCHEME: "https" };
  const login = { ...registry, REGISTRY_USER: "me" };
  const answer = (status: number, challenge: string): string =>
    `cat >"${folder}/login"; echo "$*" >"${folder}/arguments"
printf 'HTTP/1.1 ${status} X\\r\\nWww-Authenticate: ${challenge}\\r\\n\\r\\n'`;
  const read = (name: string): string => execFileSync("cat", [path.join(folder, name)], { encoding: "utf8" });
  beforeEach(() => { host(); });

  it("takes one that answers, and shows the password to curl alone", () => {
    double("curl", answer(200, "none"));
    expect(preflight(login, 'hun"ter\\2')).toEqual(NOTHING_MISSING);
    expect(read("login").trim()).toBe('user = "me:hun\\"ter\\\\2"');
    expect(read("arguments")).toContain("https://registry.example.org/v2/");
    expect(read("arguments")).not.toContain("ter");
  });

  it("says that a login is wanted, or not taken", () => {
    double("curl", answer(401, 'Basic realm="x"'));
    expect(preflight(registry)).toEqual(missing(/wants a login; way out: .*registryLogin.username/));
    expect(preflight(login, "wrong")).toEqual(missing(/does not take the login of me; way out: .*registryLogin.password/));
    double("curl", answer(401, 'Bearer realm="x"'));
    expect(preflight(login, "right")).toEqual(NOTHING_MISSING);
  });

  it("says that it does not answer, and tries the certificates that are set", () => {
    double("curl", "echo 'curl: (60) unknown authority'; case \"$*\" in *--cacert\\ /ca.pem*) exit 0 ;; *) exit 60 ;; esac");
    expect(preflight(registry)).toEqual(missing(/does not answer by https: curl: \(60\) unknown authority; way out: .*certificates/));
    expect(preflight({ ...registry, REGISTRY_CA: "/ca.pem" })).toEqual(NOTHING_MISSING);
  });
});

describe("questions", () => {
  const of = (values: Record<string, string>): Record<string, string> =>
    questions(
      parseSettings({
        project: "p",
        stack: "gpu",
        values: Object.fromEntries(Object.entries(values).map(([key, value]) => [`p:${key}`, value])),
        secretKeys: [],
      }),
    );

  it("are about GPUs where services use them", () => {
    const { STACK, GPU_DRIVER, GPU_SERVICES } = of({
      variant: "cuda",
      gpu: '{"devices":["0","GPU-1"]}',
      gpuDevices: '{"asr":2,"diarization":"all"}',
      gpuMemoryMegabytes: '{"asr":8192}',
    });
    expect({ STACK, GPU_DRIVER }).toEqual({ STACK: "gpu", GPU_DRIVER: "nvidia" });
    expect(GPU_SERVICES?.split("\n")).toEqual([
      "silero-vad 512 0,GPU-1",
      "pyannote-vad 1024 0,GPU-1",
      "diarization 2048 all",
      "asr 8192 0,1",
      "second-pass-translation 4096 0,GPU-1",
      "lyrics-detection 512 0,GPU-1",
    ]);
    expect(of({ variant: "cuda", device: "cpu" })).not.toHaveProperty("GPU_DRIVER");
  });

  it("are about the host's Python environment for slim images", () => {
    expect(of({ variant: "cuda-slim", native: '{"environment":"/opt/env"}' }).NATIVE_ENVIRONMENT).toBe("/opt/env");
    expect(of({ variant: "cuda" }).NATIVE_ENVIRONMENT).toBe("");
  });

  it("count the models of the hub into the room, and know how the registry is spoken to", () => {
    const [packaged, hub, fewer] = [
      '{"source":"packaged"}',
      '{"source":"hub"}',
      '{"source":"hub","leaveOut":["Systran/faster-whisper-large-v3"]}',
    ].map((models) => Number(of({ models }).DISK_MEGABYTES));
    expect(hub).toBeGreaterThan((packaged ?? 0) + 4000);
    expect(fewer).toBeLessThan((hub ?? 0) - 3000);
    expect(of({}).REGISTRY_SCHEME).toBe("http");
    expect(of({ registry: "registry.example.org" }).REGISTRY_SCHEME).toBe("https");
    expect(of({ registry: "registry.example.org", registryTls: "false" }).REGISTRY_SCHEME).toBe("http");
  });
});
