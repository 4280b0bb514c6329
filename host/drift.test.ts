import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import { mockPulumi } from "../test/mocks";
import type { Settings } from "../settings";
import { CONTAINER, deployedOutputs, deployedResources, keyOf, VOLUME } from "./deployed";
import { checkEngine, warnOfMissingSecrets } from "./drift";

let warn: MockInstance<typeof pulumi.log.warn>;
beforeEach(() => { warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue(); });
afterEach(() => {
  warn.mockRestore();
  vi.unstubAllEnvs();
});

const warned = (): unknown[] => warn.mock.calls.map(([message]) => message);
const matching = (patterns: readonly RegExp[]): unknown[] => patterns.map((pattern) => expect.stringMatching(pattern) as unknown);

describe("checkEngine", () => {
  const named = (type: string, ...names: string[]): Record<string, object> =>
    Object.fromEntries(names.map((name) => [keyOf(type, name), { name: `cp-whisperx-gpu-${name}` }]));
  const volumes = named(VOLUME, "model-cache", "queue");
  const state = { ...named(CONTAINER, "asr", "mux"), ...volumes };
  const all = {
    running: ["cp-whisperx-gpu-asr", "cp-whisperx-gpu-mux"],
    volumes: { "cp-whisperx-gpu-model-cache": "1", "cp-whisperx-gpu-queue": "2" },
  };

  it.each([
    ["nothing while all services run", {}, state, []],
    ["which container does not run", { running: ["cp-whisperx-gpu-mux"] }, state, [/^Not running: asr\. .*make up STACK=gpu/]],
    ["which volume was removed", { volumes: { "cp-whisperx-gpu-queue": "2" } }, state, [/^Removed: volume model-cache\. The next up /]],
    ["nothing while no engine answers", { running: undefined, volumes: undefined }, state, []],
    ["nothing after make down, which leaves the outputs and the volumes", { running: [] }, volumes, []],
    ["nothing of a stack that was never deployed", { running: [], volumes: {} }, {}, []],
  ])("reports %s", async (_, engine, deployed, expected) => {
    const services = { asr: { container: "cp-whisperx-gpu-asr" } };
    await mockPulumi("gpu", {}, { deployed: { services }, state: deployed, preview: true });
    await checkEngine("gpu", await deployedResources(), { ...all, ...engine });
    expect(warned()).toEqual(matching(expected));
  });

  it("returns the removed volumes in an up, without a warning, and none if only images are built", async () => {
    await mockPulumi("gpu", {}, { state });
    expect(await checkEngine("gpu", await deployedResources(), { running: [], volumes: {} })).toEqual(["model-cache", "queue"]);
    vi.stubEnv("CP_WHISPERX_BUILD", "yes");
    expect(await checkEngine("gpu", await deployedResources(), { running: [], volumes: {} })).toEqual([]);
    expect(warned()).toEqual([]);
  });
});

describe("warnOfMissingSecrets", () => {
  const token = { models: { token: pulumi.secret("a token") } };

  it.each([
    ["a secret of another machine", ["models.token"], {}, [/^Stack gpu was deployed with models\.token, .*KEY=models\.token, .*--path models\.token --stack gpu$/]],
    ["nothing if the secret is set", ["models.token"], token, []],
    ["nothing if a secret was added", [], token, []],
    ["nothing for a stack from before the output", undefined, {}, []],
  ])("reports %s", async (_, secrets, settings, expected) => {
    await mockPulumi("gpu", {}, { deployed: secrets ? { secrets } : {}, preview: true });
    await warnOfMissingSecrets({ stack: "gpu", ...settings } as unknown as Settings, await deployedOutputs());
    expect(warned()).toEqual(matching(expected));
  });
});
