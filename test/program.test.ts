import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it, vi } from "vitest";
import stages from "../docker/common/cp_whisperx/stages.json";
import { MODEL_IMAGES } from "../catalog";
import { keyOf, VOLUME } from "../host/deployed";
import { readDefinitions } from "../images/definitions";
import { stackNodes } from "../images/plan";
import type { HubModel } from "../settings/hub-models";
import { mockPulumi, settled, type RecordedResource } from "./mocks";
import { answersOf, declareProgram, runProgram, withoutSecrets } from "./program";

const KEY = "a key nobody may see";

interface ContainerInputs {
  readonly name: string;
  readonly image: string;
  readonly user: string;
  readonly envs: string[];
  readonly mounts: { source: string; target: string; readOnly?: boolean }[];
  readonly networksAdvanced: { name: string }[];
  readonly healthcheck: { tests: string[] };
  readonly deviceRequests?: object[];
  readonly shmSize?: number;
}

const containersOf = (resources: readonly RecordedResource[]): Map<string, ContainerInputs> =>
  new Map(
    resources
      .filter(({ type }) => type === "docker:index/container:Container")
      .map(({ name, inputs }) => [name, inputs as unknown as ContainerInputs]),
  );

const commandsOf = (resources: readonly RecordedResource[]): RecordedResource[] =>
  resources.filter(({ type }) => type === "command:local:Command");

describe("the program of stack dev", () => {
  let resources: RecordedResource[];
  let containers: Map<string, ContainerInputs>;
  beforeAll(async () => {
    resources = await declareProgram("dev", {
      "cp-whisperx:stages": '{"asr":{"WHISPER_BEAM_SIZE":3}}',
    });
    containers = containersOf(resources);
  });

  it("builds every image that the stack needs and runs a service for every stage, and the queue", () => {
    const built = resources.filter(({ type }) => type === "docker-build:index:Image").map(({ name }) => name);
    const needed = stackNodes(readDefinitions(), { variant: "cpu", images: MODEL_IMAGES.packaged });
    expect(built.sort()).toEqual(needed.map(({ name }) => name).sort());
    expect([...containers.keys()].sort()).toEqual(["queue", ...stages.map(({ name }) => name)].sort());
  });

  it("runs every container by digest, unprivileged, read-only, with limits and a health check", () => {
    for (const inputs of containers.values()) {
      expect(inputs.image).toMatch(/^\S+@sha256:[0-9a-f]{64}$/);
      expect(inputs.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
      expect(inputs).toMatchObject({
        readOnly: true,
        capabilities: { drops: ["ALL"] },
        securityOpts: ["no-new-privileges"],
        restart: "unless-stopped",
        wait: true,
        memory: expect.any(Number) as number,
        destroyGraceSeconds: expect.any(Number) as number,
        healthcheck: { tests: ["CMD", "healthcheck.sh", expect.any(String)] },
      });
      expect(inputs).not.toHaveProperty("ports");
    }
  });

  it("mounts films, configuration and models read-only, and only the output writable", () => {
    for (const [name, inputs] of containers) {
      const writable = inputs.mounts.filter((mount) => mount.readOnly !== true).map((mount) => mount.target);
      expect(writable).toEqual([name === "queue" ? "/data" : "/films/out"]);
    }
    expect(containers.get("asr")?.envs).toContain("WHISPER_CACHE=/models/whisper");
  });

  it("keeps every worker off the internet", () => {
    const networks = resources.filter(({ type }) => type === "docker:index/network:Network");
    expect(networks.map(({ inputs }) => inputs.internal)).toEqual([true]);
  });

  it("passes a stage its own settings only", () => {
    expect(containers.get("asr")?.envs).toContain("WHISPER_BEAM_SIZE=3");
    expect(containers.get("demux")?.envs.join()).not.toContain("WHISPER_BEAM_SIZE");
  });

  it("changes the owner of each mount to the container's user before the container starts", async () => {
    const theirs = await declareProgram("dev", { "cp-whisperx:user": "2000:2001", "cp-whisperx:tmdbApiKey": KEY }, ["cp-whisperx:tmdbApiKey"]);
    const owners = commandsOf(theirs).map(({ name, inputs }) => [name, (inputs.environment as Record<string, string>).OWNER]);
    expect(Object.fromEntries(owners)).toEqual({
      films: "2000:2001", "model-cache-fill": "2000:2001", "queue-volume": "2000:2001", "secrets-tmdb_api_key": "2000:2001",
    });
    for (const { inputs } of commandsOf(theirs)) expect(JSON.stringify(inputs.triggers)).toContain("2000:2001");
    const queue = theirs.find(({ type, name }) => type === "docker:index/container:Container" && name === "queue");
    expect(queue?.options.dependsOn).toContain("queue-volume");
  });

  it("runs as root only to change owners, without a network", () => {
    for (const { inputs } of commandsOf(resources)) {
      for (const run of (inputs.create as string).split("docker run ").slice(1)) {
        expect(run).toMatch(/^--rm --user \S+ --network none --read-only --cap-drop ALL .*--security-opt no-new-privileges /);
        const capabilities = [...run.matchAll(/--cap-add (\S+)/g)].map(([, capability]) => capability);
        expect(capabilities).toEqual(run.includes("--user 0:0") ? ["CHOWN", "DAC_READ_SEARCH"] : []);
      }
    }
  });

  it("refills the model cache only after a change of the models image's sources or of the volume", () => {
    const fill = resources.find(({ name }) => name === "model-cache-fill");
    expect(fill?.inputs).toMatchObject({
      environment: { VOLUME: "cp-whisperx-dev-model-cache", IMAGE: expect.stringMatching(/-models@sha256:/) as string },
      triggers: ["identity-of-model-cache", expect.stringMatching(/-models:cpu-[0-9a-f]{12}$/) as string, "1000:1000"],
      // Without an update command the provider runs create again for any changed input, such as the image.
      update: ":",
    });
  });
});

describe("the program after something was removed by hand", () => {
  const declare = (answers: Record<string, string>): Promise<RecordedResource[]> =>
    declareProgram("dev", { "cp-whisperx:tmdbApiKey": KEY }, ["cp-whisperx:tmdbApiKey"], answers);
  /** The resources with other triggers after these answers. */
  async function again(answers: Record<string, string>): Promise<string[]> {
    const [before, after] = [await declare({}), await declare(answers)];
    const triggers = ({ inputs, options }: RecordedResource) => JSON.stringify([inputs.triggers, options.replacementTrigger]);
    return before.filter((resource, index) => triggers(resource) !== triggers(after[index] ?? resource)).map(({ name }) => name).sort();
  }
  const without = (volume: string): Record<string, string> => ({
    "preflight.sh": answersOf("dev")["preflight.sh"]?.replace(`cp-whisperx-dev-${volume}=identity-of-${volume}`, "") ?? "",
  });
  const readers = ["asr", "diarization", "pyannote-vad", "second-pass-translation", "silero-vad", "lyrics-detection"];

  it.each([
    ["queue", ["queue", "queue-volume"]],
    ["secrets", ["secrets-tmdb_api_key", "tmdb"]],
  ])("makes the volume %s again, and what uses it", async (volume, expected) => {
    expect(await again(without(volume))).toEqual(expected);
  });

  it("fills the model cache again", async () => {
    const found = await again(without("model-cache"));
    expect(found).toContain("model-cache-fill");
    expect(found).toContain("asr");
    expect(found.filter((name) => !["model-cache-fill", "pre-ner", "post-ner", ...readers].includes(name))).toEqual([]);
  });

  it("names a removed volume in the closing line, and warns of it in a preview", async () => {
    const [logged, warned] = [vi.spyOn(pulumi.log, "info").mockResolvedValue(), vi.spyOn(pulumi.log, "warn").mockResolvedValue()];
    const volumes = ["model-cache", "queue"].map((name) => [keyOf(VOLUME, name), { name: `cp-whisperx-dev-${name}` }]);
    for (const preview of [true, false]) {
      await mockPulumi("dev", { ...answersOf("dev"), ...without("model-cache") }, { preview, state: Object.fromEntries(volumes) as Record<string, object> });
      await runProgram({});
      await settled();
    }
    const closing = expect.stringMatching(/containers: unchanged; volumes: 1 new \(model-cache: removed\), 1 unchanged/) as unknown;
    expect(logged.mock.calls).toEqual([[closing], [closing]]);
    expect(warned.mock.calls).toEqual([["Removed: volume model-cache. The next up creates and fills it again."]]);
    logged.mockRestore();
    warned.mockRestore();
  });

  it("sets the film folders' owner again and replaces every stage, because a container keeps the removed folder mounted", async () => {
    expect(await again({ "mkdir -p": "missing" })).toEqual(["films", ...stages.map(({ name }) => name)].sort());
  });

  it("assumes that nothing changed in a preview without an engine, and warns", async () => {
    const warned = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    const resources = await mockPulumi("dev", { ...answersOf("dev"), "preflight.sh": "There is no engine; fix: start it" }, { preview: true });
    await runProgram({});
    await settled();
    expect(warned.mock.calls).toEqual([[expect.stringMatching(/There is no engine; [^]*assumes that they are unchanged\.\n$/)]]);
    const fill = resources.find(({ name }) => name === "model-cache-fill");
    expect(fill?.options.ignoreChanges).toEqual(["triggers[0]", "environment.IDENTITY"]);
    expect(resources.find(({ type, name }) => type.endsWith(":Container") && name === "asr")?.options).not.toHaveProperty("replacementTrigger");
    warned.mockRestore();
  });
});

describe("the program on a GPU host", () => {
  let containers: Map<string, ContainerInputs>;
  beforeAll(async () => {
    const values = {
      "cp-whisperx:variant": "cuda",
      "cp-whisperx:gpu": '{"devices":["0"],"memoryMegabytes":15360}',
      "cp-whisperx:allowCpu": "false",
      "cp-whisperx:shmMegabytes": "512",
    };
    containers = containersOf(await declareProgram("gpu", values));
  });

  it("gives only the stages that use a GPU the GPU, a probe and shared memory", () => {
    const gpuStages = ["pyannote-vad", "diarization", "asr", "second-pass-translation"];
    for (const [name, inputs] of containers) {
      const expected = gpuStages.includes(name);
      expect([name, inputs.deviceRequests]).toEqual([
        name,
        expected ? [{ driver: "nvidia", capabilities: ["gpu"], deviceIds: ["0"] }] : undefined,
      ]);
      expect([name, inputs.shmSize]).toEqual([name, expected ? 512 : undefined]);
      expect(inputs.healthcheck.tests[2]?.includes("python -m cp_whisperx.devices --check")).toBe(expected);
      expect(inputs.envs.includes("ALLOW_CPU=false")).toBe(expected);
      expect(inputs.image).toContain(`cp-whisperx-app-${name}@`);
    }
  });
});

describe("the program on a host with several GPUs", () => {
  it("requests each service's own GPUs, or the stack's if it has none", async () => {
    const containers = containersOf(
      await declareProgram("gpu", {
        "cp-whisperx:variant": "cuda",
        "cp-whisperx:gpu": '{"devices":["2"],"driver":"cdi","memoryMegabytes":8192}',
        "cp-whisperx:gpuDevices": '{"asr":["0"],"second-pass-translation":["GPU-5a1f","1"],"pyannote-vad":1}',
      }),
    );
    const asked = [...containers].flatMap(([name, { deviceRequests }]) => (deviceRequests === undefined ? [] : [[name, deviceRequests]]));
    const request = (...ids: string[]) => [{ driver: "cdi", deviceIds: ids.map((id) => `nvidia.com/gpu=${id}`) }];
    expect(Object.fromEntries(asked)).toEqual({
      asr: request("0"),
      "second-pass-translation": request("GPU-5a1f", "1"),
      "pyannote-vad": request("0"),
      diarization: request("2"),
    });
  });
});

describe("the program with models from the hub", () => {
  const declare = (models: object): Promise<RecordedResource[]> =>
    declareProgram("gpu", { "cp-whisperx:models": JSON.stringify({ source: "hub", ...models }) }, ["cp-whisperx:models"]);
  const prefetchOf = (resources: readonly RecordedResource[]): RecordedResource => {
    const found = resources.find(({ name }) => name === "model-cache-prefetch");
    if (found === undefined) throw new Error("no prefetch was declared");
    return found;
  };

  it("downloads them before a stage that reads models starts; the stages run offline", async () => {
    const resources = await declare({});
    const { inputs, options } = prefetchOf(resources);
    expect(options.dependsOn).toEqual(expect.arrayContaining(["model-cache", "model-cache-fill", "prefetch"]));
    const models = JSON.parse((inputs.environment as Record<string, string>).PREFETCH_MODELS ?? "") as HubModel[];
    expect(models.map(({ repository }) => repository)).toContain("Systran/faster-whisper-large-v3");
    expect(models.filter(({ torch }) => torch)).toEqual([]);
    expect(inputs).toMatchObject({
      logging: "stdoutAndStderr",
      triggers: ["identity-of-model-cache", JSON.stringify(models), "no token"],
      update: ":",
    });
    for (const [name, { envs }] of containersOf(resources)) {
      const stage = resources.find(({ type, name: other }) => type.endsWith(":Container") && other === name);
      const reads = envs.some((variable) => variable.startsWith("MODEL_CACHE="));
      expect([name, (stage?.options.dependsOn as string[] | undefined)?.includes("model-cache-prefetch") ?? false]).toEqual([name, reads]);
      if (reads) expect(envs).toEqual(expect.arrayContaining(["HF_HUB_OFFLINE=1", "MODELS_SOURCE=hub"]));
    }
  });

  it("waits longer for its services without replacing a running one", async () => {
    const asr = async (config: Record<string, string>): Promise<[string, unknown][]> =>
      Object.entries(containersOf(await declareProgram("cpu", config)).get("asr") ?? {});
    const before = new Map(await asr({}));
    const changed = (await asr({ "cp-whisperx:startSeconds": "3600" })).filter(([key, value]) => !isDeepStrictEqual(value, before.get(key)));
    expect(changed).toEqual([["waitTimeout", 3600]]);
    const provider = JSON.parse(readFileSync("toolchain/go/docker/schema.json", "utf8")) as {
      resources: Record<string, { inputProperties: object }>;
    };
    const properties = provider.resources["docker:index/container:Container"]?.inputProperties;
    expect(properties).toMatchObject({ waitTimeout: {}, healthcheck: { willReplaceOnChanges: true } });
    expect(properties).not.toHaveProperty("waitTimeout.willReplaceOnChanges");
  });

  it("passes the token only to the prefetch, on standard input", async () => {
    const resources = await declare({ token: KEY, endpoint: "https://hub.example.org" });
    const { inputs } = prefetchOf(resources);
    expect(inputs.environment).toMatchObject({ HF_ENDPOINT: "https://hub.example.org" });
    expect(inputs.create).toContain("--env HF_ENDPOINT");
    expect(inputs.create).not.toContain("--network host");
    expect(JSON.stringify(inputs.stdin)).toContain(KEY);
    const holders = resources.filter(({ inputs: one }) => JSON.stringify(one).includes(KEY)).map(({ name }) => name);
    expect(holders).toEqual(["model-cache-prefetch"]);
    expect(JSON.stringify(resources.map(({ inputs: one }) => withoutSecrets(one)))).not.toContain(KEY);
  });

  it("reaches a hub on this machine, and skips the models in leaveOut", async () => {
    const leaveOut = ["Systran/faster-whisper-large-v3"];
    const { inputs } = prefetchOf(await declare({ endpoint: "http://127.0.0.1:8080", leaveOut }));
    expect(inputs.create).toContain("--network host");
    expect((inputs.environment as Record<string, string>).PREFETCH_MODELS).not.toContain("large-v3");
  });
});

describe("the program for an engine on another machine", () => {
  const HOST = "ssh://me@gpu-1";
  let resources: RecordedResource[];
  beforeAll(async () => {
    const values = {
      host: HOST,
      registry: "registry.example.org",
      registryLogin: `{"username":"me","password":"${KEY}"}`,
      films: '{"in":"/srv/in","out":"/srv/out","config":"/srv/config"}',
      models: '{"source":"hub"}',
      tmdbApiKey: "a key",
    };
    const config = Object.fromEntries(Object.entries(values).map(([key, value]) => [`cp-whisperx:${key}`, value]));
    resources = await declareProgram("cpu", config, ["cp-whisperx:registryLogin", "cp-whisperx:tmdbApiKey"]);
  });

  it("creates every Docker resource and runs every docker command there", () => {
    const ofEngine = resources.filter(({ type }) => type.startsWith("docker:index/"));
    expect(new Set(ofEngine.map(({ type }) => type.split(":").at(-1)))).toEqual(
      new Set(["Container", "Network", "RemoteImage", "Volume"]),
    );
    expect(ofEngine.filter(({ options }) => options.provider !== "engine")).toEqual([]);
    const provider = resources.find(({ type }) => type === "pulumi:providers:docker");
    expect(provider?.inputs).toMatchObject({ host: HOST });
    const commands = commandsOf(resources);
    expect(commands.map(({ name }) => name).sort()).toEqual([
      "films",
      "model-cache-fill",
      "model-cache-prefetch",
      "queue-volume",
      "secrets-tmdb_api_key",
    ]);
    for (const { inputs, options } of commands) {
      expect(inputs.environment).toMatchObject({ DOCKER_HOST: HOST });
      expect(options).not.toHaveProperty("provider");
    }
  });

  it("has no undefined output: Pulumi would warn about it", async () => {
    await mockPulumi("dev", answersOf("dev"));
    const outputs = (await runProgram({})) as Record<string, unknown>;
    await settled();
    expect(Object.keys(outputs)).not.toContain("host");
    expect(Object.values(outputs)).not.toContain(undefined);
  });

  it("exports the host for the commands of the toolchain", async () => {
    await mockPulumi("cpu", answersOf("cpu"));
    const outputs = await runProgram({
      "cp-whisperx:host": HOST,
      "cp-whisperx:registry": "registry.example.org",
      "cp-whisperx:films": '{"in":"/srv/in","out":"/srv/out","config":"/srv/config"}',
    });
    await settled();
    expect(outputs).toMatchObject({ host: HOST, films: { in: "/srv/in" } });
  });

  it("creates the film folders with that engine, and none on this machine", () => {
    const made = resources.find(({ name, type }) => name === "films" && type.startsWith("command"));
    expect(made?.inputs.create).toMatch(/^docker run .*--volume "\$OUT:\/films\/out"/);
    expect(made?.inputs.triggers).not.toContain("identity-of-films");
    expect(made?.inputs.environment).toMatchObject({ OUT: "/srv/out", IN: "/srv/in", OWNER: "1000:1000" });
  });

  it("logs in to push and to pull, and shows the password nowhere", () => {
    const login = { address: "registry.example.org", username: "me", password: KEY };
    for (const { inputs } of resources.filter(({ type }) => type === "docker-build:index:Image")) {
      expect(inputs.registries).toMatchObject({ value: [login] });
    }
    const provider = resources.find(({ type }) => type === "pulumi:providers:docker");
    expect(JSON.stringify(provider?.inputs)).toContain(KEY);
    // The image of a command was pulled with the login before.
    for (const name of ["films", "model-cache-fill", "model-cache-prefetch", "secrets-tmdb_api_key"]) {
      expect(resources.map(({ type, name: one }) => `${type} ${one}`)).toContain(`docker:index/remoteImage:RemoteImage ${name}`);
    }
    expect(JSON.stringify(resources.map(({ inputs }) => withoutSecrets(inputs)))).not.toContain(KEY);
  });
});

describe("the program with the host's Python environment", () => {
  it("mounts it read-only in the images without torch, and sets the path of the stages that use it", async () => {
    const values = { "cp-whisperx:variant": "cuda-slim", "cp-whisperx:native": '{"environment":"/opt/.bollyenv"}' };
    const containers = containersOf(await declareProgram("native", values));
    const mounting = [...containers].filter(([, { mounts }]) => mounts.some(({ target }) => target === "/app/.bollyenv"));
    expect(mounting.map(([name]) => name).sort()).toEqual(
      ["asr", "diarization", "pyannote-vad", "second-pass-translation"],
    );
    for (const [, { mounts, envs }] of mounting) {
      expect(mounts).toContainEqual({ type: "bind", source: "/opt/.bollyenv", target: "/app/.bollyenv", readOnly: true });
      expect(envs).toContain("EXECUTION_MODE=native");
      expect(envs.find((variable) => variable.startsWith("PATH="))).toContain(":/app/.bollyenv/bin:");
      // The image's own packages, in the versions of its lock, come before the host's.
      const packages = "lib/python3.11/site-packages";
      expect(envs).toContain(`PYTHONPATH=/opt/cp-whisperx:/opt/venv/${packages}:/app/.bollyenv/${packages}`);
    }
    expect(containers.get("demux")?.envs.join()).not.toContain("EXECUTION_MODE");
  });
});

describe("the program on a host without the prerequisites", () => {
  it("fails with the missing prerequisite, and declares nothing", async () => {
    const config = { "cp-whisperx:variant": "cuda" };
    const answers = "There is no engine; fix: start it\ngpu: 0, GPU-0, 570.86.15, 1000";
    const recorded = await mockPulumi("gpu", { "preflight.sh": answers });
    await expect(runProgram(config)).rejects.toThrow(
      /^Stack gpu cannot be deployed yet:\n\n {2}There is no engine; fix: start it\n {2}GPU 0 of this machine has 1000 MiB, /,
    );
    await settled();
    expect(recorded).toEqual([]);
  });

  it("warns in a preview, and continues", async () => {
    const warned = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    const answers = { ...answersOf("gpu"), "preflight.sh": "There is no engine; fix: start it" };
    const recorded = await mockPulumi("gpu", answers, { preview: true });
    await runProgram({ "cp-whisperx:variant": "cuda" });
    await settled();
    expect(warned.mock.calls).toEqual([
      [expect.stringMatching(/^Stack gpu cannot be deployed yet:\n\n {2}There is no engine; fix: start it\n {2}Cannot list the stack's volumes/)],
    ]);
    expect(containersOf(recorded).size).toBe(stages.length + 1);
    expect(recorded.find(({ name }) => name === "model-cache-fill")?.options).toMatchObject({ ignoreChanges: ["triggers[0]", "environment.IDENTITY"] });
    warned.mockRestore();
  });

  it("checks the host also if models come from the hub", async () => {
    await mockPulumi("cpu", { "preflight.sh": "There is no room; fix: make some" });
    await expect(runProgram({ "cp-whisperx:models": '{"source":"hub"}' })).rejects.toThrow("There is no room; fix: make some");
    await settled();
  });

  it("declares nothing if a check gave no answer", async () => {
    const recorded = await mockPulumi("gpu");
    await expect(runProgram({ "cp-whisperx:variant": "cuda" })).rejects.toThrow(/Cannot check the host of stack gpu: .*preflight.sh/);
    await settled();
    expect(recorded).toEqual([]);
  });
});

describe("the program with a key for themoviedb.org", () => {
  it("mounts it into tmdb as a file, and has it nowhere else", async () => {
    const resources = await declareProgram("dev", { "cp-whisperx:tmdbApiKey": KEY }, ["cp-whisperx:tmdbApiKey"]);
    const containers = containersOf(resources);
    const reading = [...containers].filter(([, { mounts }]) => mounts.some(({ target }) => target === "/run/secrets"));
    expect(reading.map(([name]) => name)).toEqual(["tmdb"]);
    expect(containers.get("tmdb")?.networksAdvanced).toHaveLength(2);
    const holders = resources.filter(({ inputs }) => JSON.stringify(inputs).includes(KEY)).map(({ name }) => name);
    expect(holders).toEqual(["secrets-tmdb_api_key"]);
    expect(JSON.stringify(resources.map(({ inputs }) => withoutSecrets(inputs)))).not.toContain(KEY);
  });
});
