import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { differences, meets, withRemoved } from "./differences";
import { reasons, replacementReasons } from "./reasons";

const repository = "r:5000/n/cp-whisperx-app-";
const image = {
  tags: [`${repository}asr:cpu`, `${repository}asr:cpu-123`],
  context: { location: "build/contexts/asr-123" },
  buildArgs: { BASE_IMAGE: `${repository}base-whisper@sha256:1`, COMMON_IMAGE: `${repository}common@sha256:2`, VARIANT: "cpu" },
  builder: { name: "cp-whisperx" },
  cacheFrom: [{ registry: { ref: `${repository}asr:cpu-cache` } }],
  platforms: ["linux/amd64"],
};
const texts = (asked: object): (string | boolean)[][] => reasons("images", image, { ...image, ...asked }).map(({ text, certain }) => [text, certain]);

describe("an image is rebuilt for", () => {
  it.each([
    ["its own sources", { tags: [image.tags[0], `${repository}asr:cpu-456`], context: { location: "build/contexts/asr-456" } }, [["own sources", true]]],
    ["a parent that is rebuilt", { buildArgs: { ...image.buildArgs, BASE_IMAGE: pulumi.unknown } }, [["parent base-whisper", false]]],
    ["another parent", { buildArgs: { ...image.buildArgs, BASE_IMAGE: `${repository}base-ml@sha256:9` } }, [["parent base-ml", true]]],
    ["another base image", { buildArgs: { ...image.buildArgs, BASE_IMAGE: "docker.io/library/python@sha256:9" } }, [["base image", true]]],
    ["an image that it copies from", { buildArgs: { ...image.buildArgs, COMMON_IMAGE: pulumi.unknown } }, [["copies from common", false]]],
    ["another builder", { builder: { name: "other" } }, [["builder", true]]],
    ["another platform", { platforms: ["linux/arm64"] }, [["platform", true]]],
    [
      "another namespace",
      { tags: ["r:5000/m/cp-whisperx-app-asr:cpu", "r:5000/m/cp-whisperx-app-asr:cpu-123"], cacheFrom: [{ registry: { ref: "r:5000/m/asr:cpu-cache" } }] },
      [["registry or namespace", true]],
    ],
    ["nothing", {}, []],
  ])("%s", (_, asked, expected) => {
    expect(texts(asked)).toEqual(expected);
  });
});

const container = {
  name: "cp-whisperx-dev-asr",
  image: "r:5000/n/asr@sha256:1",
  envs: ["B=2", "CP_WHISPERX_IMAGE=r:5000/n/asr@sha256:1"],
  memory: 4096,
  healthcheck: { retries: 5, startInterval: "0s" },
  mounts: [{ type: "volume", target: "/models", source: "models", readOnly: true, bindOptions: null }],
};

it("names an input that was removed, but not one that the provider chose", () => {
  const deployed = { ...image, registries: [{ address: "r:5000" }], __defaults: [] };
  const asked = withRemoved(deployed, { ...image, __defaults: [] });
  expect(reasons("images", deployed, asked).map(({ text }) => text)).toEqual(["registry login"]);
  expect(reasons("images", { ...deployed, ref: "computed" }, { ...deployed })).toEqual([]);
});

describe("a container is replaced for", () => {
  it.each([
    ["its image", { image: pulumi.unknown }, ["image"]],
    ["settings, by their names", { envs: ["CP_WHISPERX_IMAGE=r:5000/n/asr@sha256:1", "B=3", "C=4"] }, ["setting B", "setting C"]],
    ["its image, which is also in a variable", { image: pulumi.unknown, envs: ["B=2", pulumi.unknown] }, ["image"]],
    ["its memory limit", { memory: 2048 }, ["memory limit"]],
    ["its mounts", { mounts: [{ type: "volume", target: "/models", source: "others" }] }, ["mounts"]],
    ["nothing where the provider filled in defaults and sorted", { envs: ["CP_WHISPERX_IMAGE=r:5000/n/asr@sha256:1", "B=2"], healthcheck: { retries: 5, __defaults: ["x"] }, mounts: [{ type: "volume", target: "/models", source: "models", readOnly: true }] }, []],
  ])("%s", (_, asked, expected) => {
    expect(reasons("containers", container, { ...container, ...asked }).map(({ text }) => text)).toEqual(expected);
  });

  it("a removed volume or folder, if no input differs", () => {
    const texts = (kind: "containers" | "volumes", asked: object) => replacementReasons(kind, container, { ...container, ...asked }).map(({ text }) => text);
    expect(texts("containers", {})).toEqual(["volume or folder removed"]);
    expect(texts("containers", { memory: 2048 })).toEqual(["memory limit"]);
    expect(texts("volumes", {})).toEqual([]);
  });

  it("a secret, without printing it", () => {
    const asked = { ...container, token: pulumi.secret("password") };
    expect(JSON.stringify(reasons("containers", container, asked))).not.toContain("password");
  });
});

describe("meets", () => {
  const json = fc.jsonValue({ maxDepth: 3 });

  it("holds for every value and itself, and none holds what is not known", () => {
    fc.assert(fc.property(json, (value) => { expect(meets(value, structuredClone(value))).toBe(true); expect(meets(value, pulumi.unknown)).toBe(false); }));
  });

  it("reports every changed scalar, at any depth", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer(), { minKeys: 1 }), fc.nat(), (inputs, pick) => {
        const names = Object.keys(inputs);
        const name = names[pick % names.length] ?? "";
        fc.pre(name !== "__proto__");
        const asked = { ...inputs, [name]: (inputs[name] ?? 0) + 1 };
        expect(differences(inputs, asked)).toEqual(name === "__defaults" ? [] : [name]);
        expect(meets({ nested: [inputs] }, { nested: [asked] })).toBe(false);
      }),
    );
  });
});
