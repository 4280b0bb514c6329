import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSettings, type Settings } from "../settings";
import { hubModels } from "../settings/hub-models";
import { findings, preflight as preflightOf, scriptEnvironment } from "./preflight";

const SCRIPT = path.join(__dirname, "preflight.sh");
/** The programs of the system that the script uses. */
const TOOLS = ["bash", "cat", "grep", "mktemp", "rm", "sed", "sh", "sleep", "tail", "test", "timeout"];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "preflight-"));
  mkdirSync(path.join(folder, "bin"));
  for (const tool of TOOLS) symlinkSync(execFileSync("which", [tool], { encoding: "utf8" }).trim(), path.join(folder, "bin", tool));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");

/** Puts a double of a program on the path; `body` is its shell script. */
function double(program: string, body: string): void {
  const file = path.join(folder, "bin", program);
  rmSync(file, { force: true });
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
}

interface Host {
  readonly version?: string;
  readonly platform?: string;
  readonly runtimes?: string;
  readonly cdiFolders?: string;
  readonly driverStatus?: string;
  readonly volumes?: string;
  readonly gpus?: readonly string[];
  readonly freeMegabytes?: number | string;
}

const T4 = "0, GPU-0abc, 570.86.15, 15360";

/** Doubles of an engine and of NVIDIA's driver; everything is there unless said otherwise. */
function host({
  version = "28.5.2",
  platform = "linux/amd64",
  runtimes = '{"nvidia":{"path":"nvidia-container-runtime"},"runc":{"path":"runc"}}',
  cdiFolders = "",
  driverStatus = "",
  volumes = "",
  gpus = [T4],
  freeMegabytes = 100_000,
}: Host = {}): void {
  double(
    "docker",
    `echo "$DOCKER_HOST" >"${folder}/docker-host"
case "$*" in
  "context inspect "*) echo "endpoint: \${DOCKER_HOST:-unix:///run/user/1000/docker.sock}" ;;
  *Server.Version*) echo engine ${version} ${platform} ;;
  *Runtimes*) echo '${runtimes}' ;;
  *CDISpecDirs*) printf '${cdiFolders}\\n' ;;
  *DockerRootDir*) printf 'root /var/lib/docker\\n${driverStatus}\\n' ;;
  *"volume ls"*^cp-whisperx-[cg]pu-\\(model-cache\\|queue\\|secrets\\)\\$*) echo '${volumes}' ;;
  "ps --filter name=^cp-whisperx-"[cg]pu-*) ;;
  *) exit 64 ;;
esac`,
  );
  double("nvidia-smi", `printf '%s\\n' ${gpus.map((gpu) => `'${gpu}'`).join(" ")}`);
  double("df", `[ "$3" = /var/lib/docker ] && printf 'Avail Mounted on\\n${freeMegabytes} /the disk\\n'`);
}

const GPU = { STACK: "gpu", GPU_DRIVER: "nvidia", DISKS: "yes" };
/** Short limits, which grow as the real ones do. */
const SOON = { PREFLIGHT_LIMITS: "1 2 4" };

/** The lines that the script prints. It must succeed, with nothing but warnings on standard error. */
function preflight(environment: Record<string, string>, password = ""): string[] {
  const { status, stdout, stderr } = spawnSync("bash", [SCRIPT], {
    env: { PATH: path.join(folder, "bin"), ...environment },
    input: password,
    encoding: "utf8",
  });
  expect([status, stderr.replaceAll(/^WARNING.*\n/gm, "")]).toEqual([0, ""]);
  return stdout.split("\n").filter((line) => line !== "");
}

const GPU_LINE = `gpu: ${T4}`;
const DISK = "disk: engine\t100000\t/the disk\t/var/lib/docker";

/** The lines about GPUs and disks, and those about what is missing. */
const asked = (environment: Record<string, string>): string[] =>
  preflight(environment).filter((line) => !/^(endpoint|engine|volumes|running):/.test(line));
/** The lines about what is missing. */
const lacking = (environment: Record<string, string>, password = ""): string[] =>
  preflight(environment, password).filter((line) => !/^(endpoint|engine|volumes|running|gpu|disk):/.test(line));
const saying = (...lines: (string | RegExp)[]): string[] =>
  lines.map((line) => (typeof line === "string" ? line : (expect.stringMatching(line) as string)));

describe("preflight.sh", () => {
  it("prints only facts if nothing is missing", () => {
    const other = "1, GPU-1abc, 570.86.15, [N/A]";
    host({ gpus: [T4, other] });
    expect(preflight(GPU)).toEqual([
      "endpoint: unix:///run/user/1000/docker.sock",
      "engine: linux/amd64",
      GPU_LINE,
      `gpu: ${other}`,
      "volumes:",
      "running:",
      DISK,
    ]);
  });

  it("checks only the engine for a stack without special needs", () => {
    host({ platform: "linux/arm64" });
    for (const program of ["nvidia-smi", "df"]) rmSync(path.join(folder, "bin", program));
    expect(preflight({ STACK: "gpu" })).toEqual(["endpoint: unix:///run/user/1000/docker.sock", "engine: linux/arm64", "volumes:", "running:"]);
  });

  it("keeps warnings apart from answers", () => {
    host();
    for (const program of ["docker", "nvidia-smi"]) {
      double(program, `echo 'WARNING: Error loading config file' >&2\n${read(`bin/${program}`)}`);
    }
    double("nvidia-smi", `echo "Warning: Permanently added 'gpu-1'" >&2; echo '3, a banner'; echo '${T4}'`);
    expect(asked(GPU)).toEqual([GPU_LINE, DISK]);
    double("nvidia-smi", "echo 'a banner'");
    expect(lacking(GPU)).toEqual(saying(/^NVIDIA's driver on this machine does not answer: a banner; fix: /));
    double("docker", "echo WARNING: unbound; exit 0");
    expect(asked(GPU)).toEqual(saying(/^The engine of this machine does not answer: WARNING: unbound; fix: /));
  });

  it("reports everything that is missing, one line each with its fix", () => {
    host({ runtimes: '{"runc":{}}' });
    double("nvidia-smi", "exit 9");
    expect(asked({ ...GPU, NATIVE_ENVIRONMENT: "/nowhere" })).toEqual(
      saying(
        /^The engine of this machine has no NVIDIA runtime.*; fix: install the NVIDIA Container Toolkit/,
        /^NVIDIA's driver on this machine does not answer: ; fix: /,
        DISK,
        /^There is no Python environment in \/nowhere .*; fix: /,
      ),
    );
  });

  it("reports a missing docker command, engine or driver", () => {
    host();
    rmSync(path.join(folder, "bin", "docker"));
    expect(lacking(GPU)).toEqual(saying(/^This machine has no docker command; fix: install Docker/));
    double("docker", "echo warning; echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    expect(lacking(GPU)).toEqual(saying(/does not answer: Cannot connect to the Docker daemon; fix: start it/));
    host();
    rmSync(path.join(folder, "bin", "nvidia-smi"));
    expect(lacking(GPU)).toEqual(saying(/^NVIDIA's driver on this machine does not answer: .*No such file.*; fix: install/));
    double("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9");
    expect(lacking(GPU)).toEqual(saying(/on this machine does not answer: NVIDIA-SMI has failed/));
  });

  it("accepts NVIDIA's hook on the engine's path as a runtime", () => {
    host({ runtimes: '{"runc":{}}' });
    double("nvidia-container-runtime-hook", "true");
    expect(lacking(GPU)).toEqual([]);
  });

  it("requires engine 25 for CDI, with CDI on and a description of an NVIDIA GPU", () => {
    const cdi = { ...GPU, GPU_DRIVER: "cdi" };
    const folders = path.join(folder, "cdi");
    mkdirSync(folders);
    host({ version: "20.10.24", cdiFolders: folders });
    expect(lacking(cdi)[0]).toMatch(/version 20.10.24, and CDI needs 25 or newer; fix: .*gpu.driver nvidia --stack gpu/);
    expect(lacking(GPU)).toEqual([]);
    host({ cdiFolders: "" });
    expect(lacking(cdi)).toEqual(saying(/does not use CDI; fix: put "features": {"cdi": true}/));
    host({ cdiFolders: `/nowhere\\n${folders}` });
    expect(lacking(cdi)).toEqual(saying(/No CDI description .*nowhere, .*; fix: .*nvidia-ctk cdi generate/));
    writeFileSync(path.join(folders, "nvidia.yaml"), "kind: nvidia.com/gpu\n");
    expect(lacking(cdi)).toEqual([]);
    host({ version: "19.03.15" });
    expect(lacking(GPU)).toEqual(saying(/version 19.03.15, and 20 or newer is needed/));
  });

  it("prints the disks of engine and builder, and skips an engine whose folder is out of reach", () => {
    double("nvidia-smi", `echo '${T4}'`);
    host();
    double("df", "printf 'Avail Mounted on\\n%s /\\n' 7");
    const home = { ...GPU, CP_WHISPERX_HOME: "/my home" };
    expect(asked(home)).toEqual([GPU_LINE, "disk: engine\t7\t/\t/var/lib/docker", "disk: builder\t7\t/\t/my home"]);
    host({ freeMegabytes: "-" });
    expect(asked(home)).toEqual([GPU_LINE]);
  });

  it("checks the folder of containerd if the images are there", () => {
    const store = { driverStatus: "[[driver-type io.containerd.snapshotter.v1]]" };
    host(store);
    expect(asked(GPU)).toEqual([GPU_LINE, DISK]);
    double("df", `[ "$3" = /var/lib/containerd ] && printf 'Avail Mounted on\\n7 /\\n'`);
    expect(asked(GPU)).toEqual([GPU_LINE, "disk: engine\t7\t/\t/var/lib/containerd"]);
  });

  it("requires the host's Python environment if containers mount it", () => {
    host();
    const native = { ...GPU, NATIVE_ENVIRONMENT: path.join(folder, "environment") };
    expect(lacking(native)).toEqual(saying(/^There is no Python environment in .*environment on this machine .*; fix: run make native-environment/));
    mkdirSync(native.NATIVE_ENVIRONMENT);
    expect(lacking(native)).toEqual([]);
  });

  it("does not run nvidia-smi if no GPU is used", () => {
    host();
    double("nvidia-smi", "exit 9");
    expect(lacking({ STACK: "cpu" })).toEqual([]);
  });

  it("checks a remote engine by ssh", () => {
    host();
    for (const program of ["nvidia-smi", "df"]) rmSync(path.join(folder, "bin", program));
    double("ssh", `echo "$3" >>"${folder}/asked"\ncase "$4" in nvidia-smi*) echo '${T4}' ;; df*) printf 'Avail Mounted on\\n500 /\\n' ;; *) exit 1 ;; esac`);
    const remote = "ssh://me@gpu-1:2222";
    expect(preflight({ ...GPU, DOCKER_HOST: remote })).toEqual([
      `endpoint: ${remote}`,
      "engine: linux/amd64",
      GPU_LINE,
      "volumes:",
      "running:",
      "disk: engine\t500\t/\t/var/lib/docker",
    ]);
    expect(new Set(read("asked").trim().split("\n"))).toEqual(new Set([remote]));
    expect(read("docker-host").trim()).toBe(remote);
  });
});

describe("preflight.sh with slow answers", () => {
  const gpu = { ...GPU, ...SOON };

  it("waits for a slow engine", () => {
    host();
    double("docker", `case "$*" in *Server.Version*) sleep 1.5 ;; esac\n${read("bin/docker")}`);
    expect(lacking(gpu)).toEqual([]);
  });

  it("tells a hanging engine, driver or machine from a missing one, and ends what hangs", () => {
    host();
    const hang = `echo $$ >>"${folder}/hanging"; sleep 60`;
    double("docker", `case "$*" in *Server.Version*) ${hang} ;; esac`);
    expect(asked({ ...gpu, PREFLIGHT_LIMITS: "3" })).toEqual(saying(/^The engine of this machine gave no answer in 3 s; fix: wait until/));
    host();
    double("nvidia-smi", hang);
    expect(lacking({ ...gpu, PREFLIGHT_LIMITS: "3" })).toEqual(saying(/^NVIDIA's driver on this machine gave no answer in 3 s; fix: wait until/));
    double("ssh", hang);
    const remote = { ...gpu, GPU_DRIVER: "", NATIVE_ENVIRONMENT: "/env", DISKS: "", DOCKER_HOST: "ssh://me@gpu-1", PREFLIGHT_LIMITS: "3" };
    expect(lacking(remote)).toEqual(saying(/^test -d \/env on ssh:\/\/me@gpu-1 gave no answer in 3 s; fix: run the command again$/));
    double("ssh", "echo 'ssh: connect to host gpu-1: Connection refused' >&2; exit 255");
    expect(lacking(remote)).toEqual(saying(/test -d \/env on ssh:\/\/me@gpu-1 does not answer: ssh: connect to host gpu-1: Connection refused/));
    const hanging = read("hanging").trim().split("\n");
    expect(hanging.filter((id) => existsSync(`/proc/${id}`))).toEqual([]);
  });

  it("does not report volumes as removed if docker volume fails", () => {
    host({ volumes: "volume cp-whisperx-gpu-model-cache=the-identity\nvolume cp-whisperx-gpu-queue=unlabelled" });
    expect(preflight(gpu)).toContain("volumes: cp-whisperx-gpu-model-cache=the-identity cp-whisperx-gpu-queue=unlabelled");
    const cannot = (body: string): void => { double("docker", `case "$*" in *"volume ls"*) ${body} ;; esac\n${read("bin/docker")}`); };
    const volumeLines = (): string[] => preflight({ ...gpu, PREFLIGHT_LIMITS: "3" }).filter((line) => line.includes("volume"));
    cannot("sleep 60");
    expect(volumeLines()).toEqual(["docker volume on this machine gave no answer in 3 s; fix: run the command again"]);
    cannot("echo 'Error response from daemon: shutting down' >&2; exit 1");
    expect(volumeLines()).toEqual(saying(/^docker volume on this machine does not answer: Error response from daemon: shutting down/));
  });

  it("limits the time of all checks together", () => {
    host();
    for (const program of ["nvidia-smi", "df"]) double(program, "sleep 60");
    const before = Date.now();
    expect(lacking({ ...gpu, PREFLIGHT_PATIENCE: "3" })).toHaveLength(1);
    expect(Date.now() - before).toBeLessThan(20_000);
  });

  it("does not wait for background processes of a command", () => {
    host();
    double("nvidia-smi", `sleep 60 & echo $! >"${folder}/left"; echo '${T4}'`);
    expect(lacking(gpu)).toEqual([]);
    process.kill(Number(read("left")));
  });
});

describe("preflight.sh and a real registry", () => {
  beforeEach(() => {
    host();
    symlinkSync(execFileSync("which", ["curl"], { encoding: "utf8" }).trim(), path.join(folder, "bin", "curl"));
  });

  /** What the script says of a registry that answers so many seconds after each question. */
  async function registryAfter(seconds: number, environment: Record<string, string>): Promise<string[]> {
    const server = createServer((_, response) => { setTimeout(() => response.end("{}"), seconds * 1000); });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as AddressInfo;
    try {
      const child = spawn("bash", [SCRIPT], {
        env: { PATH: path.join(folder, "bin"), STACK: "cpu", REGISTRY: `127.0.0.1:${port}`, REGISTRY_SCHEME: "http", ...environment },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const lines = (await text(child.stdout)).split("\n");
      return lines.filter((line) => line.startsWith("The registry"));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const of = (registry: string, scheme: string): string[] => lacking({ STACK: "cpu", REGISTRY: registry, REGISTRY_SCHEME: scheme, ...SOON });

  it("retries a slow registry with longer limits, and reports the last limit", async () => {
    expect(await registryAfter(1.5, SOON)).toEqual([]);
    expect(await registryAfter(30, { PREFLIGHT_LIMITS: "1 2" })).toEqual(
      saying(/^The registry 127.0.0.1:\d+ \(by http\) gave no answer in 2 s; fix: check its load/),
    );
  });

  it("does not retry a refused connection, an unknown host name or a wrong protocol", async () => {
    expect(of("127.0.0.1:1", "http")).toEqual(saying(/\(by http\) does not answer: curl: \(7\) .*; fix: start it/));
    expect(of("registry.invalid", "https")).toEqual(saying(/\(by https\) does not answer: curl: \(6\) .*; fix: start it/));
    expect(await registryAfter(0, { REGISTRY_SCHEME: "https" })).toEqual(saying(/\(by https\) does not answer: curl: \(35\) .*; fix: .*registryTls/));
  });
});

describe("preflight.sh and a registry", () => {
  const registry = { STACK: "cpu", REGISTRY: "registry.example.org", REGISTRY_SCHEME: "https", REPOSITORY: "me/base" };
  const login = { ...registry, REGISTRY_USER: "me" };
  const answer = (status: number, challenge = ""): string => `printf 'HTTP/2 ${status} \\r\\n${challenge}\\r\\n'`;
  /** A double of curl that records its arguments and input, and answers as the registry or as its token server. */
  const web = (ofRegistry: string, ofTokens = "exit 64"): void => {
    double("curl", `cat >"${folder}/login"; echo "$*" >>"${folder}/arguments"
case "$*" in *https://registry.example.org/v2/*) ${ofRegistry} ;; *https://tokens.example.org*) ${ofTokens} ;; esac`);
  };
  const bearer = answer(401, 'Www-Authenticate: Bearer realm="https://tokens.example.org/token",service="the registry"\\r\\n');
  beforeEach(() => { host(); });

  it("accepts one that answers, and passes the password only to curl", () => {
    web(answer(200));
    expect(lacking(login, 'hun"ter\\2')).toEqual([]);
    expect(read("login").trim()).toBe('user = "me:hun\\"ter\\\\2"');
    expect(read("arguments")).toContain("https://registry.example.org/v2/");
    expect(read("arguments")).not.toContain("ter\\");
  });

  it("reports a missing or refused login", () => {
    web(answer(401, 'www-authenticate: Basic realm="x"\\r\\n'));
    expect(lacking(registry)).toEqual(saying(/requires a login; fix: .*registryLogin.username/));
    expect(lacking(login, "wrong")).toEqual(saying(/refuses the login of me; fix: .*registryLogin.password/));
  });

  it("requests a push token from the registry's token server, and passes the password only to curl", () => {
    web(bearer, answer(200));
    expect(lacking(login, "right")).toEqual([]);
    expect(read("login").trim()).toBe('user = "me:right"');
    expect(read("arguments")).toMatch(/tokens.example.org\/token .*--data-urlencode service=the registry --data-urlencode scope=repository:me\/base:push,pull/);
    expect(read("arguments")).not.toContain("right");
    for (const status of [401, 403]) {
      web(bearer, answer(status));
      expect(lacking(login, "wrong")).toEqual(saying(/^The registry registry.example.org refuses the login of me; fix: /));
      expect(lacking(registry)).toEqual(saying(/requires a login; fix: .*registryLogin.username/));
    }
    web(bearer, answer(503));
    expect(lacking(login, "right")).toEqual(saying(/requires a token from https:\/\/tokens.example.org\/token, which answers with status 503; fix: /));
    web(bearer, "echo 'curl: (6) no such host'; exit 6");
    expect(lacking(login, "right")).toEqual(saying(/token, which does not answer: curl: \(6\) no such host; fix: retry, or let this machine reach it/));
  });

  it.each([404, 503, 301])("rejects a server that answers with status %i", (status) => {
    web(answer(status));
    expect(lacking(login, "right")).toEqual(saying(new RegExp(`^The registry registry.example.org answers .*/v2/ with status ${status}, .*; fix: `)));
  });

  it("reads the registry's status behind a proxy, and requests Docker Hub by its server's name", () => {
    web(`${answer(200)}; ${answer(404)}`);
    expect(lacking(registry)).toEqual(saying(/with status 404/));
    double("curl", `case "$*" in *https://registry-1.docker.io/v2/*) ${answer(200)} ;; *) exit 6 ;; esac`);
    expect(lacking({ ...registry, REGISTRY: "docker.io" })).toEqual([]);
  });

  it("reports that it does not answer, and retries with the configured certificates", () => {
    double("curl", `case "$*" in *--cacert\\ /ca.pem*) ${answer(200)} ;; *) echo 'curl: (60) unknown authority'; exit 60 ;; esac`);
    expect(lacking(registry)).toEqual(saying(/\(by https\) does not answer: curl: \(60\) unknown authority; fix: .*certificates/));
    expect(lacking({ ...registry, REGISTRY_CA: "/ca.pem" })).toEqual([]);
  });
});

const settingsOf = (values: Record<string, string>, secrets: string[] = []): Settings =>
  parseSettings({
    project: "p",
    stack: "gpu",
    values: Object.fromEntries(Object.entries(values).map(([key, value]) => [`p:${key}`, value])),
    secretKeys: secrets.map((key) => `p:${key}`),
  });

describe("findings", () => {
  const settings = settingsOf({ variant: "cuda", gpu: '{"devices":["0","1"]}', gpuMemoryMegabytes: '{"asr":15361}' });
  const problems = (answers: string, of = settings): string[] => findings(answers, of).problems;

  it("contain what the script reports as missing, and what the GPUs lack for the services", () => {
    expect(findings("", settings)).toEqual({ problems: [], warnings: [], engine: { answers: false } });
    expect(problems(`It is missing; fix: x\n${GPU_LINE}`)).toEqual(
      saying("It is missing; fix: x", /^There is no GPU 1 on this machine, which has 1, for .*asr/),
    );
    expect(problems(`${GPU_LINE}\n${GPU_LINE.replaceAll("0,", "1,")}\n`)).toEqual(
      saying(/^GPUs 0, 1 of this machine have 30720 MiB, .* \(asr 15361, .*device cpu --stack gpu$/),
    );
    expect(problems(GPU_LINE, { ...settings, host: "ssh://me@gpu-1" })).toEqual(saying(/^There is no GPU 1 on ssh:\/\/me@gpu-1, /));
  });

  it("contain missing disk space, hub models included", () => {
    const disk = (free: number): string => `disk: engine\t${free}\t/\t/var/lib/docker`;
    expect(problems(disk(15_000))).toEqual(saying(/^There are 15000 MiB free below \/var\/lib\/docker on this machine/));
    expect(problems(disk(15_300))).toEqual([]);
    expect(findings(`volumes: cp-whisperx-gpu-model-cache=x\n${disk(5000)}`, settings)).toMatchObject({ problems: [], warnings: saying(/an update may take/) });
    expect(problems(`volumes:\n${disk(5000)}`)).toHaveLength(1);
    const hub = (leaveOut: string[]): Settings => settingsOf({ variant: "cuda", models: JSON.stringify({ source: "hub", leaveOut }) });
    expect(problems(disk(19_000), hub([]))).toHaveLength(1);
    const most = hub(hubModels.map(({ repository }) => repository));
    expect(problems(disk(19_000), most)).toEqual([]);
  });
});

describe("findings about the engine", () => {
  const settings = settingsOf({});

  it("contain its endpoint, whether it answers, and the identity of the model cache", () => {
    const answers = "endpoint: unix:///run/docker.sock\nengine: linux/amd64\nvolumes: v=the-identity\nrunning: cp-whisperx-gpu-asr cp-whisperx-gpu-mux\n";
    expect(findings(answers, settings)).toEqual({
      problems: [],
      warnings: [],
      engine: { endpoint: "unix:///run/docker.sock", answers: true, volumes: { v: "the-identity" }, running: ["cp-whisperx-gpu-asr", "cp-whisperx-gpu-mux"] },
    });
    expect(findings("volumes:\nrunning:", settings).engine).toMatchObject({ volumes: {}, running: [] });
  });

  it("reject another architecture", () => {
    const arm = (host?: string): string[] => findings("engine: linux/arm64", { ...settings, host }).problems;
    expect(arm()).toEqual(saying(/^The engine of this machine runs linux\/arm64, and the images are for linux\/amd64; fix: /));
    expect(arm("ssh://me@gpu-1")).toEqual(saying(/^The engine of ssh:\/\/me@gpu-1 runs linux\/arm64/));
  });
});

describe("scriptEnvironment", () => {
  const of = (values: Record<string, string>): Record<string, string> => scriptEnvironment(settingsOf(values));

  it("checks only the engine for a stack without special needs", () => {
    expect(of({})).toMatchObject({ STACK: "gpu", DISKS: "", GPU_DRIVER: "", NATIVE_ENVIRONMENT: "", REGISTRY: "" });
    expect(of({ variant: "cuda" })).toMatchObject({ DISKS: "yes", REGISTRY: "127.0.0.1:5000" });
  });

  it("checks GPUs if services use them", () => {
    expect(of({ variant: "cuda", gpu: '{"driver":"cdi"}' }).GPU_DRIVER).toBe("cdi");
    expect(of({ variant: "cuda", device: "cpu" }).GPU_DRIVER).toBe("");
  });

  it("checks the host's Python environment for cuda-slim", () => {
    expect(of({ variant: "cuda-slim", native: '{"environment":"/opt/env"}' }).NATIVE_ENVIRONMENT).toBe("/opt/env");
    expect(of({ variant: "cuda" }).NATIVE_ENVIRONMENT).toBe("");
  });

  it("checks a repository of the registry, by http or https", () => {
    expect(of({ namespace: "me/films" }).REPOSITORY).toBe("me/films/cp-whisperx-app-base");
    expect(of({}).REGISTRY_SCHEME).toBe("http");
    expect(of({ registry: "registry.example.org" }).REGISTRY_SCHEME).toBe("https");
    expect(of({ registry: "registry.example.org", registryTls: "false" }).REGISTRY_SCHEME).toBe("http");
  });

  it("passes the registry's password only on standard input", async () => {
    const asked: Record<string, unknown>[] = [];
    await pulumi.runtime.setMocks({
      newResource: () => ({ id: undefined, state: {} }),
      call: ({ inputs }) => {
        asked.push(inputs as Record<string, unknown>);
        return { stdout: "engine: linux/amd64\n" };
      },
    });
    await preflightOf(settingsOf({ registry: "registry.example.org", registryLogin: '{"username":"me","password":"hunter2"}' }, ["registryLogin"]));
    await preflightOf(settingsOf({}));
    const [{ stdin, ...rest } = {}, without] = asked;
    expect(stdin).toBe("hunter2");
    expect(JSON.stringify(rest)).not.toContain("hunter2");
    expect(without).not.toHaveProperty("stdin");
  });
});
