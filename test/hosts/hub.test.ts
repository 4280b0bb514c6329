import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import pins from "../../docker/prefetch/models.json";
import { catalog } from "../../catalog";
import { command, eventually, expectOutput, failed, type CommandResult } from "../stack/command";
import { services } from "../stack/stack";
import { ENDPOINT, ModelHub } from "./hub";
import { Remote, VARIANT } from "./remote";

const WHISPER = "Systran/faster-whisper-base";
/** Gated: the licence of the first was accepted by the token's owner, that of the second was not. */
const [PIPELINE, SEGMENTATION] = ["pyannote/speaker-diarization-3.1", "pyannote/segmentation-3.0"];
const NOT_THERE = pins.map(({ repository }) => repository).filter((name) => ![WHISPER, PIPELINE, SEGMENTATION].includes(name));
const READERS = catalog.filter(({ service }) => service?.models).map(({ name }) => name).sort();
const PREFETCH = "**::model-cache-prefetch";
const SET_TOKEN = "pulumi config set --secret --path models.token";

const remote = new Remote();
/** The model cache on the second machine's disk. */
const CACHE = remote.there(`var/lib/docker/volumes/${remote.containerName("model-cache")}/_data`);
const hub = new ModelHub({
  python: remote.python,
  checkout: remote.path("checkout"),
  whisper: path.join(CACHE, "whisper/base"),
  token: remote.secrets.token,
  log: remote.path("hub.log"),
});

afterAll(async () => { await hub.stop(); });

const pinned = (repository: string): string => pins.find((pin) => pin.repository === repository)?.revision ?? "";

const WEIGHTS = path.join(CACHE, `huggingface/hub/models--Systran--faster-whisper-base/snapshots/${pinned(WHISPER)}/model.bin`);
const pinnedChecksum = pins.find(({ repository }) => repository === WHISPER)?.sha256?.["model.bin"];
const checksum = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

async function leaveOut(models: readonly string[]): Promise<void> {
  await remote.pulumi(["config", "rm", "--path", "models.leaveOut"], { expected: "either" });
  await remote.configure(Object.fromEntries(models.map((model, index) => [`models.leaveOut[${index}]`, model])));
}

/** The prefetch's warnings, without duplicates: Pulumi prints them while it runs, and again at the end. */
function complaints(result: CommandResult): string[] {
  const found = [...result.output.matchAll(/prefetch: ((?:The hub|left out:) .*?)\s*$/gm)];
  if (found.length === 0) throw failed(result, "say what the prefetch has against a model");
  return [...new Set(found.map(([, sentence = ""]) => sentence))];
}

const notServed = (model: string, without: string): string =>
  `left out: ${model} is gated, and no token is set. Without it: ${without}. ` +
  `Accept its licence at https://huggingface.co/${model}, create a token at https://huggingface.co/settings/tokens, set it (${SET_TOKEN}) and run \`make up\`.`;

/** Where a text occurs on the second machine's engine: container configurations and logs, volumes, image configurations. */
async function filesWith(text: string): Promise<string[]> {
  const places = ["containers", "volumes", "image"].map((folder) => remote.there(`var/lib/docker/${folder}`));
  const { stdout } = await command("grep", ["--recursive", "--files-with-matches", "--fixed-strings", text, ...places], { expected: "either" });
  return stdout.split("\n").filter((file) => file !== "");
}

describe("a hub that does not serve its models", () => {
  it("does not answer: one error message with its fix, and no service that reads models starts", async () => {
    expect(existsSync(remote.there("srv/films"))).toBe(false);
    await remote.configure({ "models.source": "hub", "models.endpoint": ENDPOINT });
    await leaveOut(NOT_THERE);
    const result = await remote.up(["--continue-on-error"], { expected: "failure" });
    console.info(`${VARIANT} images built, pushed and pulled: ${Math.round(result.seconds)} s`);
    expect(complaints(result)).toEqual([
      expect.stringMatching(/^The hub \S+ cannot be reached for Systran\/faster-whisper-base: .*Connection refused\. Check the network of this host \(.*`models\.source: packaged`\.$/),
    ]);
    expect(result.output).not.toContain("Traceback");
    const others = services.filter((service) => !READERS.includes(service)).map((service) => remote.containerName(service)).sort();
    expect(await remote.names(["ps", "--all"], "there")).toEqual(others);
  });

  it("refuses the token: one error message without the token", async () => {
    await hub.start();
    const wrong = `hf_${randomBytes(17).toString("hex")}`;
    await remote.configure({}, { "models.token": wrong });
    const result = await remote.up(["--target", PREFETCH], { expected: "failure" });
    expect(complaints(result)).toEqual([
      `The hub ${ENDPOINT} rejected the token. Create a new one at https://huggingface.co/settings/tokens and set it: ${SET_TOKEN}.`,
    ]);
    expect(result.output).not.toContain(wrong);
    expect(hub.requests().length).toBeGreaterThan(0);
  });

  it("requires a token for gated models: they are skipped, each with a warning", async () => {
    await hub.start();
    const asked = hub.requests();
    await remote.pulumi(["config", "rm", "--path", "models.token"]);
    await leaveOut([...NOT_THERE, WHISPER]);
    expect(complaints(await remote.up(["--target", PREFETCH]))).toEqual([
      notServed(SEGMENTATION, "pyannote-vad takes over what silero-vad found, diarization uses the packaged models"),
      notServed(PIPELINE, "diarization uses the packaged models"),
    ]);
    expect(hub.requests()).toEqual(asked);
  });
});

describe("a stack with models from a hub", () => {
  /** The prefetch's container, as the engine describes it while it runs. */
  async function prefetchSeen(): Promise<string | undefined> {
    const { stdout } = await remote.docker(["ps", "--no-trunc", "--format", "{{.ID}} {{.Image}}"]);
    const [id] = stdout.split("\n").filter((line) => line.includes("-app-prefetch@")).map((line) => line.split(" ")[0] ?? "");
    const inspected = id === undefined ? undefined : await remote.docker(["inspect", id], { expected: "either" });
    return inspected?.code === 0 ? inspected.stdout : undefined;
  }

  let deployed: CommandResult;
  let container: string;

  beforeAll(async () => {
    await hub.start();
    await leaveOut(NOT_THERE);
    await remote.configure({ "models.source": "hub", "models.endpoint": ENDPOINT }, { "models.token": remote.secrets.token });
    let hasEnded = false;
    const deploying = remote.up().finally(() => { hasEnded = true; });
    const seeing = eventually("the prefetch's container", async () => {
      const seen = await prefetchSeen();
      if (seen === undefined && hasEnded) throw new Error("expected to see the prefetch's container, and the deployment has ended");
      return seen;
    }).finally(() => { hub.hurry(); });
    [deployed, container] = await Promise.all([deploying, seeing]);
  });

  it("comes up: the downloads show progress, and docker inspect does not show the token", () => {
    expect(container).toContain(`HF_ENDPOINT=${ENDPOINT}`);
    expect(container).not.toContain(remote.secrets.token);
    expectOutput(
      deployed,
      `prefetch: 1 of 3: ${WHISPER}, about 148 MB`,
      /prefetch: Systran\/faster-whisper-base: \d+\.\d of 14\d\.\d MB/,
      "prefetch: 2 of 3 models are in /models/huggingface/hub, 1 left out",
    );
    expect(complaints(deployed)).toEqual([
      `left out: The owner of the token has not accepted the licence of ${SEGMENTATION}. Without it: pyannote-vad takes over what ` +
        `silero-vad found, diarization uses the packaged models. Accept it at https://huggingface.co/${SEGMENTATION} as the user the ` +
        "token belongs to, then run `make models STACK=...`.",
    ]);
  });

  it("has them complete in its cache, at the listed revisions", () => {
    const listed = JSON.parse(readFileSync(path.join(CACHE, "hub.json"), "utf8")) as Record<"models" | "absent", Record<string, { commit?: string }>>;
    const commits = Object.fromEntries(Object.entries(listed.models).map(([name, { commit }]) => [name, commit]));
    expect(commits).toEqual({ [WHISPER]: pinned(WHISPER), [PIPELINE]: pinned(PIPELINE) });
    expect(Object.keys(listed.absent)).toEqual([SEGMENTATION]);
    expect(checksum(WEIGHTS)).toBe(pinnedChecksum);
  });

  it("sends the token only to the hub, and not to the server of large files", async () => {
    const asked = hub.requests();
    expect(asked.some((request) => request.path.startsWith("/store/"))).toBe(true);
    expect(asked.some((request) => request.path.startsWith(`/${PIPELINE}/resolve/${pinned(PIPELINE)}/`))).toBe(true);
    expect(new Set(asked.filter(({ token }) => token).map(({ host }) => host))).toEqual(new Set([new URL(ENDPOINT).host]));
    const { token, apiKey } = remote.secrets;
    expect(await filesWith(token)).toEqual([]);
    expect(await filesWith(apiKey)).toEqual([expect.stringMatching(/-secrets\/_data\/tmdb_api_key$/)]);
  });

  it("transcribes with the hub's model, falls back for the gated one, and sends the hub no more requests", async () => {
    const asked = hub.requests();
    const { stdout } = await remote.docker(["inspect", "--format", "{{json .Config.Env}}", ...READERS.map((service) => remote.containerName(service))]);
    for (const environment of stdout.trim().split("\n")) {
      expect(JSON.parse(environment)).toEqual(expect.arrayContaining(["HF_HUB_OFFLINE=1", "MODELS_SOURCE=hub"]));
    }
    await remote.subtitle();
    expect(JSON.parse(remote.result("/asr/result.json"))).toMatchObject({ model: `${WHISPER}@${pinned(WHISPER)}` });
    expect(JSON.parse(remote.result("/pyannote-vad/result.json"))).toMatchObject({ source: "silero" });
    const { stages } = JSON.parse(remote.result("/manifest.json")) as { stages: Record<string, { status: string; warnings: string[] }> };
    for (const [stage, instead] of [["pyannote-vad", "The result of silero-vad is used."], ["diarization", "The packaged models are used for diarization."]] as const) {
      expect(stages[stage]?.status).toBe("done");
      expect(stages[stage]?.warnings.find((warning) => warning.includes(instead))).toMatch(/The owner of the token has not accepted the licence of pyannote\/segmentation-3\.0\. Accept it at /);
    }
    expect(hub.requests()).toEqual(asked);
  });

  it("re-runs only the prefetch after a change of the list, and downloads nothing again", async () => {
    const [asked, running] = [hub.requests(), (await remote.docker(["ps", "--quiet"])).stdout];
    await leaveOut([...NOT_THERE, SEGMENTATION]);
    expectOutput(await remote.up(), "prefetch: 2 of 2 models are in", /^ +\+-1 replaced\n +\d+ unchanged$/m);
    expect(hub.requests()).toEqual(asked);
    expect((await remote.docker(["ps", "--quiet"])).stdout).toBe(running);
  });

  it("repairs a damaged model with make models, which changes nothing else", async () => {
    const running = (await remote.docker(["ps", "--quiet"])).stdout;
    writeFileSync(WEIGHTS, Buffer.alloc(statSync(WEIGHTS).size));
    await remote.make(["models"]);
    expect(checksum(WEIGHTS)).toBe(pinnedChecksum);
    expect((await remote.docker(["ps", "--quiet"])).stdout).toBe(running);
  });
});
