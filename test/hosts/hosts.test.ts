import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { catalog } from "../../catalog";
import { command, expectOutput } from "../stack/command";
import { SAMPLE, services } from "../stack/stack";
import { HOST, REGISTRY, USERNAME } from "./machine";
import { NAMESPACE, Remote, STACK, USERS_STACK } from "./remote";

const remote = new Remote();
const CONTAINERS = services.map((service) => remote.containerName(service)).sort();
const WITH_MODEL = catalog.filter(({ service }) => service?.gpu).map(({ name }) => name).sort();

beforeAll(async () => remote.ensureDeployed());

/** The pushes in the log of the second machine's registry: manifest address and user. */
function pushes(): { readonly manifest: string; readonly user: string | undefined }[] {
  const log = readFileSync(remote.there("var/log/registry.log"), "utf8");
  const taken = log.split("\n").filter((line) => line.includes("http.request.method=PUT") && line.includes("http.response.status=201"));
  return taken.flatMap((line) => {
    const manifest = /http\.request\.uri="?(\/v2\/[^\s"]+\/manifests\/[^\s"]+)/.exec(line)?.[1];
    return manifest === undefined ? [] : [{ manifest, user: /auth\.user\.name=(\S+)/.exec(line)?.[1] }];
  });
}

describe("before anything is changed", () => {
  it("a wrong password for the registry is one error message with its fix", async () => {
    const pushed = pushes();
    const refused = await remote.withSettings(async () => {
      await remote.configure({}, { "registryLogin.password": "wrong" });
      return remote.up([], { expected: "failure" });
    });
    const sentence = `The registry ${REGISTRY} refuses the login of ${USERNAME}; fix: pulumi config set --secret --path registryLogin.password --stack ${STACK}`;
    expectOutput(refused, sentence);
    expect(refused.output.split("\n").filter((line) => line.includes("fix:"))).toHaveLength(1);
    expect(pushes()).toEqual(pushed);
  });

  it("more GPUs than the machine has are one error message with its fix", async () => {
    const sentence = `There is no GPU 2 on ${HOST}, which has 2,`;
    await remote.withSettings(async () => {
      await remote.configure({ "gpu.devices": "3" });
      expectOutput(await remote.pulumi(["preview"]), sentence);
      expectOutput(await remote.up([], { expected: "failure" }), sentence);
    });
  });
});

describe("a stack on another machine's engine", () => {
  it("comes up: every service is healthy there, and nothing of it is here", async () => {
    expect(await remote.names(["ps", "--all"], "there")).toEqual(CONTAINERS);
    expect(await remote.names(["ps", "--filter", "health=healthy"], "there")).toEqual(CONTAINERS);
    for (const list of [["ps", "--all"], ["network", "ls"], ["volume", "ls"]]) expect(await remote.names(list, "here")).toEqual([]);
  });

  it("has its film folders, models and secrets there", async () => {
    for (const folder of ["in", "out", "config"]) expect(statSync(remote.there(`srv/films/${folder}`)).isDirectory()).toBe(true);
    expect(statSync(remote.there("srv/films/out")).uid).toBe(1000);
    expect(existsSync("/srv/films")).toBe(false);
    expect(await remote.names(["volume", "ls"], "there")).toEqual(["model-cache", "queue", "secrets"].map((name) => remote.containerName(name)));
    const models = await remote.docker(["exec", remote.containerName("asr"), "ls", "/models"]);
    expect(models.stdout.trim()).not.toBe("");
    const key = await remote.docker(["exec", remote.containerName("tmdb"), "cat", "/run/secrets/tmdb_api_key"]);
    expect(key.stdout.trim()).toBe(remote.secrets.apiKey);
  });

  it("subtitles a film there", async () => {
    await remote.subtitle();
    expect(remote.result(".srt")).toMatch(/^1\n00:\d\d:\d\d,\d{3} --> /);
    expect(remote.result(".mp4")).not.toBe("");
  });

  it("make film copies a film there once, and prints the paths there", async () => {
    const film = path.join(remote.path("checkout"), "another film.mp4");
    copyFileSync(path.join(remote.sample, SAMPLE), film);
    for (const expected of ["copying another film.mp4 to root@", "has already finished this film"]) {
      expectOutput(await remote.make(["film", `FILM=${film}`]), expected, /subtitles: root@[\d.]+:\/srv\/films\/out\/\S+\/film\.srt/);
    }
    expect(readFileSync(remote.there("srv/films/in/another film.mp4"))).toEqual(readFileSync(film));
  });

  it("shows no change in a preview afterwards", async () => {
    await remote.pulumi(["preview", "--expect-no-changes"]);
  });
});

describe("a registry with login and TLS", () => {
  it("accepts every image and its cache from the builder with the login", async () => {
    const { stdout } = await remote.pulumi(["stack", "output", "images", "--json"]);
    const repositories = Object.values(JSON.parse(stdout) as Record<string, { reference: string }>).map(({ reference }) => reference.split("@")[0]);
    const taken = pushes();
    for (const repository of new Set(repositories)) {
      const manifests = taken.map(({ manifest }) => manifest).filter((manifest) => manifest.startsWith(`/v2/${(repository ?? "").replace(`${REGISTRY}/`, "")}/`));
      expect(manifests.some((manifest) => manifest.endsWith("-cache")), repository).toBe(true);
      expect(manifests.some((manifest) => !manifest.endsWith("-cache")), repository).toBe(true);
    }
    expect([...new Set(taken.map(({ user }) => user))]).toEqual([USERNAME]);
  });

  it("refuses access without the login", async () => {
    const ask = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", remote.path("ca.pem")];
    expect((await command("curl", [...ask, `https://${REGISTRY}/v2/`])).stdout).toBe("401");
    const pulled = await remote.docker(["pull", `${REGISTRY}/${NAMESPACE}/cp-whisperx-app-demux:cpu`], { expected: "failure" });
    expectOutput(pulled, "no basic auth credentials");
  });

  it("has images no larger than docs/sizes.md allows, and so has the engine", async () => {
    const { stdout } = await remote.pulumi(["stack", "output", "--json"]);
    const sizes = await remote.weighed(stdout);
    mkdirSync("build/test-results", { recursive: true });
    writeFileSync("build/test-results/sizes.md", sizes);
    expect(sizes).toMatch(new RegExp(`sizes of ${USERS_STACK}[^]*\\*\\*together, shared layers once\\*\\* \\| \\*\\*[1-9]`));
  });

  it("leaves its password and the hub's token in no state, log, container or image", async () => {
    const { password, apiKey, token } = remote.secrets;
    const login = Buffer.from(`${USERNAME}:${password}`).toString("base64").replace(/=+$/, "");
    const places: Record<string, string> = { "what Pulumi said": readFileSync(remote.said, "utf8") };
    for (const folder of [remote.path("state"), remote.path("home", "log"), remote.path("home", "run"), remote.there("var/log")]) {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())) {
        const file = path.join(entry.parentPath, entry.name);
        places[file] = readFileSync(file, "latin1");
      }
    }
    places["the stack file"] = readFileSync(remote.settings, "utf8");
    const exported = (await remote.pulumi(["stack", "export"])).stdout;
    places["exported state"] = exported;
    places.containers = (await remote.docker(["inspect", ...CONTAINERS])).stdout;
    const images = [...new Set((await remote.docker(["image", "ls", "--quiet"])).stdout.trim().split("\n"))];
    places.images = (await remote.docker(["image", "inspect", ...images])).stdout;
    for (const image of images) places[`history of ${image}`] = (await remote.docker(["history", "--no-trunc", image])).stdout;
    expect(Object.keys(places).some((place) => place.endsWith(".json"))).toBe(true);
    expect(exported).toContain("registryAuth");
    for (const [place, text] of Object.entries(places)) {
      for (const secret of [password, apiKey, token, login]) expect(text.includes(secret), place).toBe(false);
    }
  });
});

describe("GPUs, with a double of NVIDIA's hook that records the engine's requests", () => {
  const all = { call: ["prestart"], devices: "all", capabilities: "compute,utility" };

  it("are requested only by the services with a model", async () => {
    expect(await remote.gpuRequests()).toEqual(Object.fromEntries(WITH_MODEL.map((service) => [service, all])));
  });

  it("are missing, and each worker logs that it runs on the CPU", async () => {
    for (const service of WITH_MODEL) expect(await remote.logs(service)).toContain(`${service} runs on CPU: no NVIDIA driver is visible here`);
  });

  it("are missing, and a worker that requires one refuses to start", async () => {
    const { stdout } = await remote.docker(["inspect", remote.containerName("diarization")]);
    const [found] = JSON.parse(stdout) as { Config: { Env: string[]; Image: string }; HostConfig: { Mounts: { Type: string; Source: string; Target: string }[] } }[];
    if (found === undefined) throw new Error("no container");
    const environment = found.Config.Env.filter((variable) => !variable.startsWith("ALLOW_CPU=")).flatMap((variable) => ["--env", variable]);
    const mounts = found.HostConfig.Mounts.flatMap(({ Type, Source, Target }) => ["--mount", `type=${Type},source=${Source},target=${Target},readonly`]);
    const refused = await remote.docker(
      ["run", "--rm", "--network", "none", "--gpus", "all", ...environment, "--env", "ALLOW_CPU=false", ...mounts, found.Config.Image],
      { expected: "failure" },
    );
    expectOutput(refused, /diarization cannot start: No GPU can be used: no NVIDIA driver is visible here .*ALLOW_CPU=false.*Install the NVIDIA Container Toolkit/);
    expect(refused.output).not.toContain("Traceback");
  });

  it("are requested by count or by name, and a change replaces only those services", async () => {
    const before = (await remote.docker(["ps", "--format", "{{.ID}} {{.Names}}"])).stdout.split("\n");
    await remote.pulumi(["config", "set", "--path", "gpu.devices", "2"]);
    await remote.up();
    expect(await remote.gpuRequests()).toEqual(Object.fromEntries(WITH_MODEL.map((service) => [service, { ...all, devices: "0,1" }])));
    const after = (await remote.docker(["ps", "--format", "{{.ID}} {{.Names}}"])).stdout.split("\n");
    const replaced = after.filter((line) => !before.includes(line)).map((line) => line.split(" ")[1]).sort();
    expect(replaced).toEqual(WITH_MODEL.map((service) => remote.containerName(service)));

    const device = "GPU-66666666-7777-8888-9999-000000000000";
    await remote.pulumi(["config", "rm", "--path", "gpu.devices"]);
    await remote.pulumi(["config", "set", "--path", "gpu.devices[0]", device]);
    await remote.up(["--target", "**asr", "--target", "**pyannote-vad"]);
    const requests = await remote.gpuRequests();
    expect(requests.asr).toEqual({ ...all, devices: device });
    expect(requests["pyannote-vad"]).toEqual({ ...all, devices: device });
    expect(requests.diarization).toEqual({ ...all, devices: "0,1" });
  });
});

it("make down removes containers and networks there; films, models and other volumes stay", async () => {
  await remote.make(["down"]);
  expect(await remote.names(["ps", "--all"], "there")).toEqual([]);
  expect(await remote.names(["network", "ls"], "there")).toEqual([]);
  expect(await remote.names(["volume", "ls"], "there")).toEqual(["model-cache", "queue", "secrets"].map((name) => remote.containerName(name)));
  expect(existsSync(remote.there(`srv/films/in/${SAMPLE}`))).toBe(true);
});
