import { existsSync, readFileSync } from "node:fs";
import * as path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bakeFile } from "./bake";
import { composeFile, composeService, secretsOf } from "./compose";
import { declaredResources, type Declared } from "./declared";
import { dockerCommands, servicesOf } from "./docker-run";

interface Target {
  readonly context: string;
  readonly contexts: Readonly<Record<string, string>>;
  readonly args: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
}
interface Service extends Record<string, unknown> {
  readonly image: string;
  readonly volumes: readonly (string | { type: string; source: string })[];
  readonly networks?: object;
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: object;
  readonly volumes: object;
  readonly secrets: object;
}

const stackFile = (stack: string): string => readFileSync(`Pulumi.${stack}.yaml`, "utf8");

function exported(resources: readonly Declared[], stack: string): { targets: Record<string, Target>; compose: Compose; text: string } {
  const [bake, compose] = [bakeFile(resources) as { target: Record<string, Target> }, composeFile(resources, stack) as Compose];
  return { targets: bake.target, compose, text: JSON.stringify([bake, compose]) };
}

describe.each(["dev", "cpu", "gpu", "native"])("stack %s", async (stack) => {
  const resources = await declaredResources(stack, stackFile(stack));
  const { targets, compose, text } = exported(resources, stack);

  it("has a target for every image, each linked to those that it is built on", () => {
    const images = resources.filter(({ type }) => type === "docker-build:index:Image");
    expect(Object.keys(targets).sort()).toEqual(images.map(({ name }) => name).sort());
    for (const { context, contexts, args } of Object.values(targets)) {
      expect(existsSync(path.join(context, "Dockerfile"))).toBe(true);
      const [own, external] = [Object.keys(contexts), Object.keys(args).filter((name) => name.endsWith("_IMAGE") && args[name]?.includes("@"))];
      for (const name of own) expect([contexts[name], targets[name]]).toEqual([`target:${name}`, expect.anything()]);
      expect(own.length + external.length).toBe(Object.keys(args).filter((name) => name.endsWith("_IMAGE")).length);
    }
  });

  it("has a service for every container, whose image bake builds, and no digest of an image that is not built", () => {
    const containers = resources.filter(({ type }) => type === "docker:index/container:Container");
    expect(containers.filter(({ name }) => compose.services[name] === undefined)).toEqual([]);
    const tags = Object.values(targets).flatMap((target) => target.tags);
    for (const { image } of Object.values(compose.services)) expect(tags).toContain(image);
    expect(text).not.toMatch(/cp-whisperx-app-[^"]*@sha256/);
  });

  it("declares every network, volume and service that a service names", () => {
    for (const service of Object.values(compose.services)) {
      const sources = service.volumes.map((one) => (typeof one === "string" ? (one.split(":")[0] ?? "") : one.source));
      for (const source of sources.filter((one) => !path.isAbsolute(one))) expect(Object.keys(compose.volumes)).toContain(source);
      for (const network of Object.keys(service.networks ?? {})) expect(Object.keys(compose.networks)).toContain(network);
      for (const name of Object.keys(service.depends_on ?? {})) expect(Object.keys(compose.services)).toContain(name);
    }
  });

  it("starts no stage before the queue is healthy and its volumes are ready", () => {
    const { asr } = compose.services;
    const fill = stack === "dev" ? "model-cache-fill-2" : "model-cache-prefetch";
    expect(asr?.depends_on).toMatchObject({
      queue: { condition: "service_healthy" },
      films: { condition: "service_completed_successfully" },
      [fill]: { condition: "service_completed_successfully" },
    });
    expect(compose.services["model-cache-fill-2"]?.depends_on).toEqual({ "model-cache-fill-1": { condition: "service_completed_successfully" } });
  });
});

it("reads secrets from files and holds none, encrypted or not", async () => {
  const settings = [
    "  cp-whisperx:tmdbApiKey:\n    secure: v1:aaaa",
    "  cp-whisperx:models:\n    source: hub\n    token:\n      secure: v1:bbbb",
    "  cp-whisperx:registryLogin:\n    username: someone\n    password:\n      secure: v1:cccc",
  ];
  const resources = await declaredResources("dev", `config:\n${settings.join("\n")}\n`);
  const { compose, text } = exported(resources, "dev");
  expect(text).not.toMatch(/encrypted|v1:|aaaa|bbbb|cccc/);
  expect(secretsOf(resources)).toEqual(["model-cache-prefetch", "secrets-tmdb_api_key"]);
  expect(compose.secrets).toEqual({
    "model-cache-prefetch": { file: "./secrets/model-cache-prefetch" },
    "secrets-tmdb_api_key": { file: "./secrets/secrets-tmdb_api_key" },
  });
  expect(compose.services["model-cache-prefetch"]).toMatchObject({
    entrypoint: ["sh", "-c", 'exec "$$@" </run/stdin', "sh", "tini", "--", "python", "-m", "prefetch"],
    secrets: [{ source: "model-cache-prefetch", target: "/run/stdin" }],
  });
});

describe("composeService", () => {
  it("has every limit of a container", () => {
    expect(composeService({ memory: 512, memorySwap: 512, shmSize: 64, logDriver: "json-file", logOpts: { "max-file": "3" }, wait: true })).toEqual({
      mem_limit: "512m",
      memswap_limit: "512m",
      shm_size: "64m",
      logging: { driver: "json-file", options: { "max-file": "3" } },
    });
  });

  it.each([
    [{ driver: "nvidia", capabilities: ["gpu"], count: -1 }, { driver: "nvidia", capabilities: ["gpu"], count: "all" }],
    [{ driver: "nvidia", capabilities: ["gpu"], count: 2 }, { driver: "nvidia", capabilities: ["gpu"], count: 2 }],
    [{ driver: "cdi", deviceIds: ["nvidia.com/gpu=0"] }, { driver: "cdi", capabilities: ["gpu"], device_ids: ["nvidia.com/gpu=0"] }],
  ])("requests the devices %j as %j", (request, device) => {
    expect(composeService({ deviceRequests: [request] })).toEqual({ deploy: { resources: { reservations: { devices: [device] } } } });
  });

  it("fails for an input that it would lose", () => {
    expect(() => composeService({ image: "asr", privileged: true })).toThrow("cannot export the input privileged");
  });
});

describe("dockerCommands", () => {
  it("reads any arguments as the shell does", () => {
    const word = fc.string({ unit: "grapheme" }).filter((text) => !/[\0\u001e]/.test(text));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        const variables = words.map((text, index) => [`V${index}`, text] as const);
        const create = `docker volume create x >/dev/null && docker run ${variables.map(([name]) => `"$${name}"`).join(" ")} && docker last`;
        expect(dockerCommands({ create, environment: Object.fromEntries(variables) })).toEqual([["run", ...words], ["last"]]);
      }),
      { numRuns: 25 },
    );
  });

  it("starts no program", () => {
    expect(() => dockerCommands({ create: "touch /nowhere/file && docker run x" })).toThrow("cannot export touch");
  });
});

describe("servicesOf", () => {
  const run = (options: string, environment: Record<string, string> = {}): object =>
    servicesOf("films", { create: `docker run --rm ${options} "$IMAGE" -c 'echo "$1"' sh "$OWNER"`, environment: { IMAGE: "base@x", OWNER: "1:1", ...environment } }, () => []);

  it("has the rights, the command and the environment, with a variable of the host for one without a value", () => {
    expect(run('--user 0:0 --network none --read-only --cap-drop ALL --cap-add CHOWN --volume "$OUT:/out" --env OUT --env HTTPS_PROXY --entrypoint sh', { OUT: "/films" })).toMatchObject({
      films: {
        image: "base@x",
        user: "0:0",
        network_mode: "none",
        read_only: true,
        cap_drop: ["ALL"],
        cap_add: ["CHOWN"],
        volumes: ["/films:/out"],
        environment: { OUT: "/films", HTTPS_PROXY: null },
        entrypoint: ["sh"],
        command: ["-c", 'echo "$1"', "sh", "1:1"],
      },
    });
  });

  it("fails for an option that it would lose", () => {
    expect(() => run("--privileged")).toThrow("privileged");
  });
});
