import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { parseSettings, SettingsError, type RawConfig, type Settings } from ".";

const raw = (values: Record<string, string>, secretKeys: string[] = []): RawConfig => ({
  project: "cp-whisperx",
  stack: "dev",
  values: Object.fromEntries(Object.entries(values).map(([key, value]) => [`cp-whisperx:${key}`, value])),
  secretKeys: secretKeys.map((key) => `cp-whisperx:${key}`),
});

const reportOf = (config: RawConfig): string => {
  try {
    parseSettings(config);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return (error as Error).message;
  }
  throw new Error("the settings were accepted");
};

const isAccepted = (config: RawConfig): boolean => {
  try {
    return parseSettings(config).stack === config.stack;
  } catch {
    return false;
  }
};

/** The configuration after a `pulumi config` command of a report. */
function fixed(config: RawConfig, command: string): RawConfig {
  const [, verb, keys = "", , value = ""] =
    /^pulumi config (set|rm) (?:--path )?'cp-whisperx:([\w.-]+)'( ["']?([^ "']*)["']?)? --stack dev$/.exec(command) ?? [];
  if (verb === undefined) throw new Error(`no command that fixes: ${command}`);
  const [top = "", ...below] = keys.split(".");
  const values = { ...config.values };
  const key = `cp-whisperx:${top}`;
  const [last] = below;
  if (last === undefined) {
    if (verb === "rm") Reflect.deleteProperty(values, key);
    else values[key] = value;
  } else {
    const object = JSON.parse(values[key] ?? "{}") as Record<string, unknown>;
    if (verb === "rm") Reflect.deleteProperty(object, last);
    else object[last] = /^\d+$/.test(value) ? Number(value) : value;
    values[key] = JSON.stringify(object);
  }
  return { ...config, values };
}

const oneOf = <Value>(...values: Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
const folder = oneOf("films/in", "films/out", "films", "/srv/films/in", "/srv/films", "/srv/a b", "/", ".", "..", "..films");
/** Settings that are valid one by one. */
const contradictory = fc.record(
  {
    variant: oneOf("cpu", "cuda", "cuda-slim"),
    device: oneOf("auto", "cuda", "cpu"),
    allowCpu: fc.boolean(),
    host: fc.constant("ssh://me@machine"),
    registry: oneOf("127.0.0.1:5000", "localhost", "registry.example.org"),
    registryLogin: fc.constant({ username: "me", password: "hunter2" }),
    registryTls: fc.boolean(),
    films: fc.record({ in: folder, out: folder, config: folder }, { requiredKeys: [] }),
    native: fc.record({ environment: oneOf(".bollyenv", "/opt/.bollyenv") }),
    models: fc.record({ source: oneOf("packaged", "hub"), token: fc.constant("hunter2") }, { requiredKeys: [] }),
    gpu: fc.record({ devices: oneOf<number | string>(1, 2, 3, "all"), memoryMegabytes: oneOf(1024, 4096, 8192) }, { requiredKeys: [] }),
    gpuDevices: fc.record({ asr: oneOf<unknown>(["0"], ["1"], 2), diarization: oneOf<unknown>(["GPU-1"], "all") }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);

describe("parseSettings", () => {
  it("needs nothing: every setting has a default that works", () => {
    const settings = parseSettings(raw({}));
    expect(settings).toMatchObject({ registry: "127.0.0.1:5000", namespace: "rajiup", variant: "cpu", stages: {} });
    expect(settings.baseImages.cpu).toMatch(/@sha256:[0-9a-f]{64}$/);
  });

  it("leaves other packages' configuration alone", () => {
    const config = raw({ logLevel: "DEBUG" });
    expect(parseSettings({ ...config, values: { ...config.values, "docker:host": "unix:///x" } }).logLevel).toBe("DEBUG");
  });

  it("passes the stack's settings of a stage, but not the stage's defaults", () => {
    const settings = parseSettings(raw({ stages: '{"asr":{"WHISPER_BEAM_SIZE":3}}' }));
    expect(settings.stages).toEqual({ asr: { WHISPER_BEAM_SIZE: 3 } });
  });

  it("lists every problem in one report: full key, value, what is allowed, the fix", () => {
    const report = reportOf(
      raw({
        logLevel: "loud",
        stopSeconds: '"soon"',
        colour: "red",
        baseImages: '{"cpu":"python:3.11-slim"}',
        stages: '{"asr":{"WHISPER_BEAM_SIZE":0,"WHISPER_BEEM":1}}',
        memoryMegabytes: '{"asr":1}',
      }),
    );
    expect(report).toContain("stack dev are invalid (7 problems)");
    for (const line of [
      "cp-whisperx:logLevel:",
      'value:   "loud"',
      "one of DEBUG, INFO, WARNING, ERROR",
      "pulumi config set 'cp-whisperx:logLevel' \"INFO\" --stack dev",
      "cp-whisperx:stopSeconds:",
      "cp-whisperx:colour: unknown setting",
      "pulumi config rm 'cp-whisperx:colour' --stack dev",
      "cp-whisperx:baseImages.cpu: not pinned by a digest",
      "pulumi config set --path 'cp-whisperx:baseImages.cpu'",
      "cp-whisperx:stages.asr.WHISPER_BEAM_SIZE:",
      "cp-whisperx:stages.asr.WHISPER_BEEM: unknown setting",
      "cp-whisperx:memoryMegabytes.asr:",
    ]) {
      expect(report).toContain(line);
    }
  });

  it.each([
    ["tmdbApiKey", "hunter2", "pulumi config set --secret 'cp-whisperx:tmdbApiKey' --stack dev"],
    ["models", '{"source":"hub","token":"hunter2"}', "pulumi config set --secret --path 'cp-whisperx:models.token' --stack dev"],
    [
      "registryLogin",
      '{"username":"me","password":"hunter2"}',
      "pulumi config set --secret --path 'cp-whisperx:registryLogin.password' --stack dev",
    ],
  ])("refuses a secret of %s in plain text, never repeats it, and has Pulumi prompt for it", (key, value, fix) => {
    const report = reportOf(raw({ [key]: value }));
    expect(report).toContain("1 problem");
    expect(report).toContain("plain text");
    expect(report).toContain(`fix:     ${fix}\n`);
    expect(report).not.toContain("hunter2");
  });

  it("returns secrets as secret outputs, which cannot be used as text", async () => {
    const { tmdbApiKey, models, registryLogin } = parseSettings(
      raw(
        { tmdbApiKey: "hunter1", models: '{"source":"hub","token":"hunter2"}', registryLogin: '{"username":"me","password":"hunter3"}' },
        ["tmdbApiKey", "models", "registryLogin"],
      ),
    );
    const secrets = [tmdbApiKey, models.token, registryLogin?.password].filter((secret) => secret !== undefined);
    const texts = secrets.map(async (secret) => new Promise((resolve) => { secret.apply(resolve); }));
    expect(await Promise.all(texts)).toEqual(["hunter1", "hunter2", "hunter3"]);
    expect(await Promise.all(secrets.map(pulumi.isSecret))).toEqual([true, true, true]);
    expect(JSON.stringify(secrets)).not.toContain("hunter");

    expectTypeOf<NonNullable<Settings["tmdbApiKey"]>>().toEqualTypeOf<pulumi.Output<string>>();
    expectTypeOf<NonNullable<Settings["models"]["token"]>>().toEqualTypeOf<pulumi.Output<string>>();
    // @ts-expect-error a secret is not a string, so that it cannot get into the state in plain text
    const password: string | undefined = registryLogin?.password;
    expect(password).toBe(registryLogin?.password);
  });

  it("never repeats a secret inside an invalid object", () => {
    expect(reportOf(raw({ models: '"hunter2"' }, ["models"]))).not.toContain("hunter2");
    expect(reportOf(raw({ models: '{"token":["hunter2"],"source":"hub"}' }))).not.toContain("hunter2");
  });

  it.each([
    ["varaint", "cuda", "cp-whisperx:varaint: unknown setting; did you mean variant?"],
    ["tmdbApikey", "x", "cp-whisperx:tmdbApikey: unknown setting; did you mean tmdbApiKey?"],
    ["films", '{"inn":"films/in"}', "cp-whisperx:films.inn: unknown setting; did you mean in?"],
    ["models", '{"tokne":"x"}', "cp-whisperx:models.tokne: unknown setting; did you mean token?"],
    ["models.token", "x", "cp-whisperx:models.token: unknown setting; did you mean --path models.token?"],
    ["LOGLEVEL", "x", "cp-whisperx:LOGLEVEL: unknown setting; did you mean logLevel?"],
    ["stages", '{"arr":{}}', "cp-whisperx:stages.arr: unknown setting; did you mean asr?"],
    ["memoryMegabytes", '{"arr":100}', "cp-whisperx:memoryMegabytes.arr: unknown setting; did you mean asr?"],
    ["stages", '{"asr":{"WHISPER_BEEM_SIZE":3}}', "cp-whisperx:stages.asr.WHISPER_BEEM_SIZE: unknown setting; did you mean WHISPER_BEAM_SIZE?"],
    ["colour", "red", "cp-whisperx:colour: unknown setting\n"],
  ])("names the setting that %s %s may have been meant for", (key, value, line) => {
    expect(reportOf(raw({ [key]: value }))).toContain(line);
  });

  it.each([
    ["hfToken", "hunter2"],
    ["tmdbApiKye", "hunter2"],
    ["models.token", "hunter2"],
    ["registryLogin", '{"username":"me","pasword":"hunter2"}'],
    ["models", '{"tokens":{"mine":["hunter2"]}}'],
  ])("never repeats a secret under a mistyped name, encrypted or plain: %s %s", (key, value) => {
    for (const secretKeys of [[], [key]]) {
      const report = reportOf(raw({ [key]: value }, secretKeys));
      expect(report).toContain("unknown setting");
      expect(report).toContain("value:   not shown");
      expect(report).not.toContain("hunter2");
    }
  });

  it("uses the machine's settings only if the stack does not set them", () => {
    const [ours, theirs] = ["0", "1"].map((digit) => `name@sha256:${digit.repeat(64)}`);
    const local = { registry: "127.0.0.1:5001", baseImages: { cpu: ours }, models: { token: "hunter2" }, registryLogin: { password: "x" } };
    const login = { registryLogin: '{"username":"me"}' };
    const settings = parseSettings({ ...raw(login), local });
    expect(settings).toMatchObject({ registry: "127.0.0.1:5001", baseImages: { cpu: ours }, registryLogin: { username: "me" } });
    expect(pulumi.Output.isInstance(settings.registryLogin?.password)).toBe(true);
    const other = parseSettings({ ...raw({ ...login, registry: "mine", baseImages: `{"cpu":"${theirs}"}` }), local });
    expect(other).toMatchObject({ registry: "mine", baseImages: { cpu: theirs } });
  });

  it.each([
    ["films/out", "films/out"],
    ["films/out/in", "films/out"],
    ["films", "films/out"],
  ])("refuses film folders where the input %s and the output %s overlap", (input, output) => {
    expect(reportOf(raw({ films: JSON.stringify({ in: input, out: output }) }))).toContain(
      `cp-whisperx:films.in: overlaps films.out (${output})`,
    );
  });

  it("accepts the settings of a GPU host", () => {
    const settings = parseSettings(
      raw({
        variant: "cuda",
        gpu: '{"devices":["0","GPU-1"],"driver":"cdi","memoryMegabytes":16384}',
        gpuDevices: '{"asr":["0",1],"diarization":2,"pyannote-vad":"all"}',
        gpuMemoryMegabytes: '{"asr":8192}',
        host: "ssh://me@gpu-1:2222",
        registry: "registry.example.org",
        films: '{"in":"/films/in","out":"/films/out","config":"/films/config"}',
        allowCpu: "false",
      }),
    );
    expect(settings).toMatchObject({ device: "auto", allowCpu: false, shmMegabytes: 1024, gpuMemoryMegabytes: { asr: 8192 } });
    expect(settings.gpuDevices).toEqual({ asr: ["0", "1"], diarization: 2, "pyannote-vad": "all" });
  });

  const slim = { variant: "cuda-slim", native: '{"environment":"/opt/.bollyenv"}' };
  const cuda = { variant: "cuda" };
  it.each<[string, Record<string, string>, string, string]>([
    ["gpu.* in a cpu stack", { gpu: '{"devices":2}' }, "gpu: is for stacks with CUDA", "pulumi config rm 'cp-whisperx:gpu'"],
    ["GPU memory in a cpu stack", { gpuMemoryMegabytes: '{"asr":512}' }, "gpuMemoryMegabytes: is for", "config rm"],
    ["a service's GPUs in a cpu stack", { gpuDevices: '{"asr":["0"]}' }, "gpuDevices: is for stacks with CUDA", "rm 'cp-whisperx:gpuDevices'"],
    [
      "GPUs for a service without a model",
      { ...cuda, gpuDevices: '{"demux":["0"]}' },
      "gpuDevices.demux: unknown setting",
      "pulumi config rm --path 'cp-whisperx:gpuDevices.demux'",
    ],
    ["some GPUs for a service", { ...cuda, gpuDevices: '{"asr":"some"}' }, "gpuDevices.asr: not all, a count or a list", '"all" or integer'],
    ["no GPU for a service", { ...cuda, gpuDevices: '{"asr":[]}' }, "cp-whisperx:gpuDevices.asr: ", "set --path 'cp-whisperx:gpuDevices.asr'"],
    [
      "two GPUs in one name",
      { ...cuda, gpuDevices: '{"asr":["2","0,1"]}' },
      "gpuDevices.asr[1]: not the index or the UUID of a GPU",
      "pulumi config set --path 'cp-whisperx:gpuDevices.asr[1]' VALUE",
    ],
    ["shared memory in a cpu stack", { shmMegabytes: "2048" }, "shmMegabytes: is for stacks with CUDA", "config rm"],
    [
      "a base image for CUDA in a cpu stack",
      { baseImages: `{"cuda":"nvidia/cuda@sha256:${"0".repeat(64)}"}` },
      "baseImages.cuda: is for stacks with CUDA",
      "pulumi config rm --path 'cp-whisperx:baseImages.cuda'",
    ],
    ["a GPU for the images of variant cpu", { device: "cuda" }, "device: asks for a GPU", "set 'cp-whisperx:device' \"auto\""],
    ["neither GPU nor CPU, by variant", { allowCpu: "false" }, "variant is cpu", "set 'cp-whisperx:allowCpu' true"],
    ["neither GPU nor CPU, by device", { ...cuda, device: "cpu", allowCpu: "false" }, "device is cpu", "allowCpu"],
    [
      "cuda-slim without the host's environment",
      { variant: "cuda-slim" },
      "native.environment: is missing",
      "pulumi config set --path 'cp-whisperx:native.environment' .bollyenv ",
    ],
    ["the host's environment for images with torch", { ...cuda, native: slim.native }, "variant is cuda", "config rm --path"],
    [
      "a hub's address without hub models",
      { models: '{"endpoint":"https://hub.example.org"}' },
      "models.endpoint: is for models of the hub, and models.source is packaged",
      "pulumi config rm --path 'cp-whisperx:models.endpoint'",
    ],
    ["a model that is not in the hub's list", { models: '{"source":"hub","leaveOut":["me/mine"]}' }, "models.leaveOut[0]", "Systran/"],
    ["a host without ssh", { host: "tcp://machine" }, "not ssh://user@machine", "config set 'cp-whisperx:host'"],
    [
      "this machine's registry for another host",
      { host: "ssh://machine" },
      "registry: is a loopback address",
      "pulumi config set 'cp-whisperx:registry' registry.example.org:5000 ",
    ],
    [
      "a relative folder on another host",
      { host: "ssh://machine" },
      "films.in: is relative (films/in)",
      "pulumi config set --path 'cp-whisperx:films.in' /srv/films/in ",
    ],
    [
      "a relative environment on another host",
      { ...slim, native: '{"environment":".bollyenv"}', host: "ssh://machine" },
      "native.environment: is relative (.bollyenv)",
      "'cp-whisperx:native.environment' /srv/.bollyenv ",
    ],
    ["films everywhere", { films: '{"out":"/"}' }, "films.in: overlaps films.out (/)", "'cp-whisperx:films.out' films/out "],
    ["TLS as text", { registryTls: '"yes"' }, "registryTls: ", "pulumi config set 'cp-whisperx:registryTls' true "],
    ["a count of GPUs that is not a number", { ...cuda, gpu: '{"devices":"some"}' }, "gpu.devices: not all, a count or a list", '"all" or integer'],
  ])("rejects %s, and names the fix", (_, values, problem, fix) => {
    const report = reportOf(raw(values));
    expect(report).toContain(problem);
    expect(report).toContain(fix);
  });

  it("rejects a password that would be sent in plain text, except to a loopback registry", () => {
    const login = { registryLogin: '{"username":"me","password":"hunter2"}', registryTls: "false" };
    const config = (registry: string): RawConfig => raw({ ...login, registry }, ["registryLogin"]);
    const report = reportOf(config("registry.example.org"));
    expect(report).toContain("registryTls: would send the password");
    expect(report).toContain("pulumi config set 'cp-whisperx:registryTls' true ");
    expect(parseSettings(config("localhost:5001")).registryTls).toBe(false);
  });

  it("rejects services that need more memory than their GPU has, and suggests what fits", () => {
    const config = (megabytes: number, devices: string): RawConfig =>
      raw({ ...cuda, gpu: `{"devices":${devices},"memoryMegabytes":${megabytes}}` });
    const report = reportOf(config(12_288, '"all"'));
    expect(report).toContain(
      "gpu.memoryMegabytes: GPU 0 has 12288 MiB, and the services pinned to it need 13312 " +
        "(asr 6144, second-pass-translation 4096, diarization 2048, pyannote-vad 1024)" +
        "; all does not say how many GPUs there are: set a count if there are more",
    );
    expect(report).toContain("pulumi config set --path 'cp-whisperx:gpuMemoryMegabytes.asr' 5120");
    expect(parseSettings(config(12_288, "2")).gpu.devices).toBe(2);
    expect(parseSettings(config(13_312, '"all"')).gpu.memoryMegabytes).toBe(13_312);
    expect(reportOf(config(6_143, '["0","1","2"]'))).toContain("gpuMemoryMegabytes.asr' 6143");
    expect(reportOf(config(1024, '"all"'))).toContain("pulumi config set 'cp-whisperx:device' cpu");
  });

  it("rejects services pinned to a GPU with too little memory, one problem per GPU", () => {
    const config = (devices: Record<string, unknown>, megabytes = 8192): RawConfig =>
      raw({ ...cuda, gpu: `{"devices":3,"memoryMegabytes":${megabytes}}`, gpuDevices: JSON.stringify(devices) });
    const report = reportOf(config({ asr: ["0"], "second-pass-translation": ["0"] }));
    expect(report).toContain("(1 problem)");
    expect(report).toContain(
      "gpu.memoryMegabytes: GPU 0 has 8192 MiB, and the services pinned to it need 10240 (asr 6144, second-pass-translation 4096)\n",
    );
    expect(report).toContain("pulumi config set --path 'cp-whisperx:gpuMemoryMegabytes.asr' 4096");
    expect(() => parseSettings(config({ asr: ["0"], "second-pass-translation": ["1"] }))).not.toThrow();

    const both = reportOf(config({ asr: 1, "second-pass-translation": ["GPU-1"] }, 4095));
    expect(both).toContain("GPU 0 has 4095 MiB, and the services pinned to it need 6144 (asr 6144)");
    expect(both).toContain("GPU GPU-1 has 4095 MiB, and the services pinned to it need 4096 (second-pass-translation 4096)");
    const shared = Object.fromEntries(["asr", "second-pass-translation"].map((name) => [name, ["1", "2"]]));
    expect(reportOf(config(shared, 5000))).toContain("GPUs 1, 2 have 10000 MiB, and the services pinned to them need 10240 (asr");
  });

  it("reports contradictions even if another setting is invalid", () => {
    const report = reportOf(raw({ logLevel: "loud", colour: "red", gpu: '{"devices":2,"driver":"amd"}' }));
    for (const part of ["4 problems", "logLevel", "colour", "gpu.driver", "gpu: is for stacks with CUDA"]) {
      expect(report).toContain(part);
    }
  });

  it("suggests commands that lead to valid settings, for any contradictions", () => {
    fc.assert(
      fc.property(contradictory, (values) => {
        const texts = Object.entries(values).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]);
        let config = raw(Object.fromEntries(texts) as Record<string, string>, ["registryLogin", "models"]);
        // Two GPU lists may need each of the services lowered; everything else is one command each.
        for (let commands = 0; !isAccepted(config); commands++) {
          expect(commands).toBeLessThan(40);
          config = fixed(config, /fix: +(.*)/.exec(reportOf(config))?.[1] ?? "");
        }
      }),
    );
  });

  it("refuses root as the containers' user", () => {
    expect(reportOf(raw({ user: "0:0" }))).toContain("or root");
  });
});
