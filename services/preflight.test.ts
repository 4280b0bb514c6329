import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSettings, type Settings } from "../settings";
import { hubModels } from "../settings/hub-models";
import { findings, questions } from "./preflight";

const SCRIPT = path.join(__dirname, "preflight.sh");
/** The programs of the system that the script uses. */
const TOOLS = ["bash", "cat", "grep", "sed", "sh", "tail", "tr"];

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
  readonly runtimes?: string;
  readonly cdiFolders?: string;
  readonly driverStatus?: string;
  readonly volumes?: string;
  readonly cards?: readonly string[];
  readonly freeMegabytes?: number | string;
}

const T4 = "0, GPU-0abc, 570.86.15, 15360";

/** Doubles of an engine and of NVIDIA's driver; everything is there unless said otherwise. */
function host({
  version = "28.5.2",
  runtimes = "io.containerd.runc.v2\\nnvidia\\nrunc",
  cdiFolders = "",
  driverStatus = "",
  volumes = "",
  cards = [T4],
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
  *DriverStatus*) echo '${driverStatus}' ;;
  *"volume ls"*^cp-whisperx-gpu-model-cache$) printf '${volumes}' ;;
  *) exit 64 ;;
esac`,
  );
  double("nvidia-smi", `printf '%s\\n' ${cards.map((card) => `'${card}'`).join(" ")}`);
  double("df", `[ "$3" = /var/lib/docker ] && printf 'Avail Mounted on\\n${freeMegabytes} /the disk\\n'`);
}

const GPU = { STACK: "gpu", GPU_DRIVER: "nvidia" };

/** The lines that the script prints, which must have asked everything; of what it says beside them, warnings alone. */
function preflight(environment: Record<string, string>, password = ""): string[] {
  const { status, stdout, stderr } = spawnSync("bash", [SCRIPT], {
    env: { PATH: path.join(folder, "bin"), ...environment },
    input: password,
    encoding: "utf8",
  });
  expect([status, stderr.replaceAll(/^WARNING.*\n/gm, "")]).toEqual([0, ""]);
  return stdout.split("\n").filter((line) => line !== "");
}

const CARD = `card: ${T4}`;
const DISK = "disk: engine\t100000\t/the disk\t/var/lib/docker";

/** The lines that say what is missing. */
const lacking = (environment: Record<string, string>, password = ""): string[] =>
  preflight(environment, password).filter((line) => !/^(card: |disk: )/.test(line));
const saying = (...lines: (string | RegExp)[]): string[] =>
  lines.map((line) => (typeof line === "string" ? line : (expect.stringMatching(line) as string)));

describe("preflight.sh", () => {
  it("tells facts alone where nothing is missing", () => {
    const other = "1, GPU-1abc, 570.86.15, [N/A]";
    host({ cards: [T4, other] });
    expect(preflight(GPU)).toEqual([CARD, `card: ${other}`, DISK]);
  });

  it("keeps warnings apart from answers", () => {
    host();
    for (const program of ["docker", "nvidia-smi"]) {
      double(program, `echo 'WARNING: Error loading config file' >&2\n${read(`bin/${program}`)}`);
    }
    double("nvidia-smi", `echo "Warning: Permanently added 'gpu-1'" >&2; echo '3, a banner'; echo '${T4}'`);
    expect(preflight(GPU)).toEqual([CARD, DISK]);
    double("nvidia-smi", "echo 'a banner'");
    expect(lacking(GPU)).toEqual(saying(/^NVIDIA's driver does not answer on this machine: a banner; way out: /));
    double("docker", "echo WARNING: unbound; exit 0");
    expect(preflight(GPU)).toEqual(saying(/^The engine of this machine does not answer: WARNING: unbound; way out: /));
  });

  it("says what is missing, all of it, one line each with the way out", () => {
    host({ runtimes: "runc" });
    double("nvidia-smi", "exit 9");
    expect(preflight({ ...GPU, NATIVE_ENVIRONMENT: "/nowhere" })).toEqual(
      saying(
        /^The engine of this machine has no NVIDIA runtime.*; way out: install the NVIDIA Container Toolkit/,
        /^NVIDIA's driver does not answer .*; way out: /,
        DISK,
        /^There is no Python environment in \/nowhere .*; way out: /,
      ),
    );
  });

  it("names a docker command, an engine or a driver that is not there", () => {
    host();
    rmSync(path.join(folder, "bin", "docker"));
    expect(lacking(GPU)).toEqual(saying(/^This machine has no docker command; way out: install Docker/));
    double("docker", "echo warning; echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    expect(lacking(GPU)).toEqual(saying(/does not answer: Cannot connect to the Docker daemon; way out: start it/));
    host();
    rmSync(path.join(folder, "bin", "nvidia-smi"));
    expect(lacking(GPU)).toEqual(saying(/^NVIDIA's driver does not answer on this machine: .*not found; way out: install/));
    double("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9");
    expect(lacking(GPU)).toEqual(saying(/does not answer on this machine: NVIDIA-SMI has failed/));
  });

  it("takes NVIDIA's hook on the engine's path for a runtime", () => {
    host({ runtimes: "runc" });
    double("nvidia-container-runtime-hook", "true");
    expect(lacking(GPU)).toEqual([]);
  });

  it("wants an engine from version 25 for CDI, that reads descriptions and has one", () => {
    const cdi = { ...GPU, GPU_DRIVER: "cdi" };
    const folders = path.join(folder, "cdi");
    mkdirSync(folders);
    host({ version: "20.10.24", cdiFolders: folders });
    expect(lacking(cdi)[0]).toMatch(/version 20.10.24, and CDI needs 25 or newer; way out: .*gpu.driver nvidia --stack gpu/);
    expect(lacking(GPU)).toEqual([]);
    host({ cdiFolders: "" });
    expect(lacking(cdi)).toEqual(saying(/does not use CDI; way out: put "features": {"cdi": true}/));
    host({ cdiFolders: `/nowhere\\n${folders}` });
    expect(lacking(cdi)).toEqual(saying(/No CDI description .*nowhere, .*; way out: .*nvidia-ctk cdi generate/));
    writeFileSync(path.join(folders, "nvidia.yaml"), "kind: nvidia.com/gpu\n");
    expect(lacking(cdi)).toEqual([]);
    host({ version: "19.03.15" });
    expect(lacking(GPU)).toEqual(saying(/version 19.03.15, and 20 or newer is needed/));
  });

  it("tells the disks of engine and builder, and of no engine where nobody can look", () => {
    double("nvidia-smi", `echo '${T4}'`);
    host({ volumes: "cp-whisperx-gpu-model-cache" });
    double("df", "printf 'Avail Mounted on\\n%s /\\n' 7");
    const home = { ...GPU, CP_WHISPERX_HOME: "/my home" };
    expect(preflight(home)).toEqual([CARD, "disk: engine\t7\t/\t/var/lib/docker", "disk: builder\t7\t/\t/my home", "deployed"]);
    host({ freeMegabytes: "-" });
    expect(preflight(home)).toEqual([CARD]);
  });

  it("looks where containerd keeps images, if it keeps them there", () => {
    const store = { driverStatus: "[[driver-type io.containerd.snapshotter.v1]]" };
    host(store);
    expect(preflight(GPU)).toEqual([CARD, DISK]);
    double("df", `[ "$3" = /var/lib/containerd ] && printf 'Avail Mounted on\\n7 /\\n'`);
    expect(preflight(GPU)).toEqual([CARD, "disk: engine\t7\t/\t/var/lib/containerd"]);
  });

  it("wants the host's Python environment where containers are to mount it", () => {
    host();
    const native = { ...GPU, NATIVE_ENVIRONMENT: path.join(folder, "environment") };
    expect(lacking(native)).toEqual(saying(/^There is no Python environment in .*environment on this machine .*; way out: make native-environment/));
    mkdirSync(native.NATIVE_ENVIRONMENT);
    expect(lacking(native)).toEqual([]);
  });

  it("asks no driver where no GPU is used", () => {
    host();
    double("nvidia-smi", "exit 9");
    expect(lacking({ STACK: "cpu" })).toEqual([]);
  });

  it("asks the machine of another engine, by ssh", () => {
    host();
    for (const program of ["nvidia-smi", "df"]) rmSync(path.join(folder, "bin", program));
    double("ssh", `echo "$3" >>"${folder}/asked"\ncase "$4" in nvidia-smi*) echo '${T4}' ;; df*) printf 'Avail Mounted on\\n500 /\\n' ;; *) exit 1 ;; esac`);
    const remote = "ssh://me@gpu-1:2222";
    expect(preflight({ ...GPU, DOCKER_HOST: remote })).toEqual([CARD, "disk: engine\t500\t/\t/var/lib/docker"]);
    expect(new Set(read("asked").trim().split("\n"))).toEqual(new Set([remote]));
    expect(read("docker-host").trim()).toBe(remote);
  });
});

describe("preflight.sh and a registry", () => {
  const registry = { STACK: "cpu", REGISTRY: "registry.example.org", REGISTRY_SCHEME: "https", REPOSITORY: "me/base" };
  const login = { ...registry, REGISTRY_USER: "me" };
  const answer = (status: number, challenge = ""): string => `printf 'HTTP/2 ${status} \\r\\n${challenge}\\r\\n'`;
  /** A double of curl that keeps what it was told, and answers as the registry or as a server of tokens. */
  const web = (ofRegistry: string, ofTokens = "exit 64"): void => {
    double("curl", `cat >"${folder}/login"; echo "$*" >>"${folder}/arguments"
case "$*" in *https://registry.example.org/v2/*) ${ofRegistry} ;; *https://tokens.example.org*) ${ofTokens} ;; esac`);
  };
  const bearer = answer(401, 'Www-Authenticate: Bearer realm="https://tokens.example.org/token",service="the registry"\\r\\n');
  beforeEach(() => { host(); });

  it("takes one that answers, and shows the password to curl alone", () => {
    web(answer(200));
    expect(lacking(login, 'hun"ter\\2')).toEqual([]);
    expect(read("login").trim()).toBe('user = "me:hun\\"ter\\\\2"');
    expect(read("arguments")).toContain("https://registry.example.org/v2/");
    expect(read("arguments")).not.toContain("ter\\");
  });

  it("says that a login is wanted, or not taken", () => {
    web(answer(401, 'www-authenticate: Basic realm="x"\\r\\n'));
    expect(lacking(registry)).toEqual(saying(/wants a login; way out: .*registryLogin.username/));
    expect(lacking(login, "wrong")).toEqual(saying(/does not take the login of me; way out: .*registryLogin.password/));
  });

  it("asks a registry's server of tokens for one to push with, and shows the password to curl alone", () => {
    web(bearer, answer(200));
    expect(lacking(login, "right")).toEqual([]);
    expect(read("login").trim()).toBe('user = "me:right"');
    expect(read("arguments")).toMatch(/tokens.example.org\/token .*--data-urlencode service=the registry --data-urlencode scope=repository:me\/base:push,pull/);
    expect(read("arguments")).not.toContain("right");
    for (const status of [401, 403]) {
      web(bearer, answer(status));
      expect(lacking(login, "wrong")).toEqual(saying(/^The registry registry.example.org does not take the login of me; way out: /));
      expect(lacking(registry)).toEqual(saying(/wants a login; way out: .*registryLogin.username/));
    }
    web(bearer, answer(503));
    expect(lacking(login, "right")).toEqual(saying(/wants a token of https:\/\/tokens.example.org\/token, which answers with status 503; way out: /));
    web(bearer, "echo 'curl: (6) no such host'; exit 6");
    expect(lacking(login, "right")).toEqual(saying(/token, which does not answer: curl: \(6\) no such host; way out: /));
  });

  it.each([404, 503, 301])("takes nothing for a registry that answers with status %i", (status) => {
    web(answer(status));
    expect(lacking(login, "right")).toEqual(saying(new RegExp(`^The registry registry.example.org answers .*/v2/ with status ${status}, .*; way out: `)));
  });

  it("hears the registry behind a proxy, and Docker Hub by its server's name", () => {
    web(`${answer(200)}; ${answer(404)}`);
    expect(lacking(registry)).toEqual(saying(/with status 404/));
    double("curl", `case "$*" in *https://registry-1.docker.io/v2/*) ${answer(200)} ;; *) exit 6 ;; esac`);
    expect(lacking({ ...registry, REGISTRY: "docker.io" })).toEqual([]);
  });

  it("says that it does not answer, and tries the certificates that are set", () => {
    double("curl", `case "$*" in *--cacert\\ /ca.pem*) ${answer(200)} ;; *) echo 'curl: (60) unknown authority'; exit 60 ;; esac`);
    expect(lacking(registry)).toEqual(saying(/does not answer by https: curl: \(60\) unknown authority; way out: .*certificates/));
    expect(lacking({ ...registry, REGISTRY_CA: "/ca.pem" })).toEqual([]);
  });
});

const settingsOf = (values: Record<string, string>): Settings =>
  parseSettings({
    project: "p",
    stack: "gpu",
    values: Object.fromEntries(Object.entries(values).map(([key, value]) => [`p:${key}`, value])),
    secretKeys: [],
  });

describe("findings", () => {
  const settings = settingsOf({ variant: "cuda", gpu: '{"devices":["0","1"]}', gpuMemoryMegabytes: '{"asr":15361}' });
  const problems = (answers: string, of = settings): string[] => findings(answers, of).problems;

  it("are what the script says is missing, and what the GPUs lack for the services", () => {
    expect(findings("", settings)).toEqual({ problems: [], warnings: [] });
    expect(problems(`It is missing; way out: x\n${CARD}`)).toEqual(
      saying("It is missing; way out: x", /^There is no GPU 1 on this machine, which has 1, for .*asr/),
    );
    expect(problems(`${CARD}\n${CARD.replaceAll("0,", "1,")}\n`)).toEqual(
      saying(/^GPUs 0, 1 of this machine have 30720 MiB, .* \(asr 15361, .*device cpu --stack gpu$/),
    );
    expect(problems(CARD, { ...settings, host: "ssh://me@gpu-1" })).toEqual(saying(/^There is no GPU 1 on ssh:\/\/me@gpu-1, /));
  });

  it("are also what the disks lack, for the models of the hub too", () => {
    const disk = (free: number): string => `disk: engine\t${free}\t/\t/var/lib/docker`;
    expect(problems(disk(15_000))).toEqual(saying(/^There are 15000 MiB free below \/var\/lib\/docker on this machine/));
    expect(problems(disk(15_300))).toEqual([]);
    expect(findings(`deployed\n${disk(5000)}`, settings)).toEqual({ problems: [], warnings: saying(/an update may take/) });
    const hub = (leaveOut: string[]): Settings => settingsOf({ variant: "cuda", models: JSON.stringify({ source: "hub", leaveOut }) });
    expect(problems(disk(19_000), hub([]))).toHaveLength(1);
    const most = hub(hubModels.map(({ repository }) => repository));
    expect(problems(disk(19_000), most)).toEqual([]);
  });
});

describe("questions", () => {
  const of = (values: Record<string, string>): Record<string, string> => questions(settingsOf(values));

  it("are about GPUs where services use them", () => {
    expect(of({ variant: "cuda", gpu: '{"driver":"cdi"}' }).GPU_DRIVER).toBe("cdi");
    expect(of({ variant: "cuda", device: "cpu" }).GPU_DRIVER).toBe("");
    expect(of({}).GPU_DRIVER).toBe("");
  });

  it("are about the host's Python environment for slim images", () => {
    expect(of({ variant: "cuda-slim", native: '{"environment":"/opt/env"}' }).NATIVE_ENVIRONMENT).toBe("/opt/env");
    expect(of({ variant: "cuda" }).NATIVE_ENVIRONMENT).toBe("");
  });

  it("are about a repository of the registry, and know how it is spoken to", () => {
    expect(of({ namespace: "me/films" }).REPOSITORY).toBe("me/films/cp-whisperx-app-base");
    expect(of({}).REGISTRY_SCHEME).toBe("http");
    expect(of({ registry: "registry.example.org" }).REGISTRY_SCHEME).toBe("https");
    expect(of({ registry: "registry.example.org", registryTls: "false" }).REGISTRY_SCHEME).toBe("http");
  });
});
