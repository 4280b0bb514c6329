import fc from "fast-check";
import { expect, it } from "vitest";
import { dependencies } from "../images/plan";
import { VARIANT_NAMES } from "../variants";
import { buildTargets, imagesOf } from "./build-targets";

const name = (target: string): string => target.split("::").at(-1) ?? "";

it("targets every image of the stack by default", () => {
  for (const variant of VARIANT_NAMES) {
    const images = imagesOf({ "cp-whisperx:variant": { value: variant } });
    expect(buildTargets(images, "").slice(1).map(name)).toEqual(images.map((image) => image.name));
  }
});

it.each([
  ["of the hub", { objectValue: { source: "hub" } }, true],
  ["with a token, which hides the source", { secret: true }, true],
  ["of the image", { objectValue: { source: "packaged" }, secret: false }, false],
])("targets prefetch only for models of the hub: models %s", (_, models, expected) => {
  expect(imagesOf({ "cp-whisperx:models": models }).some((image) => image.name === "prefetch")).toBe(expected);
});

it("targets one image and its dependencies, and nothing else", () => {
  for (const variant of VARIANT_NAMES) {
    const images = imagesOf({ "cp-whisperx:variant": { value: variant } });
    fc.assert(
      fc.property(fc.constantFrom(...images), (wanted) => {
        const targets = new Set(buildTargets(images, wanted.definition.name).slice(1).map(name));
        expect(targets).toContain(wanted.name);
        for (const image of images.filter((one) => targets.has(one.name))) {
          for (const dependency of dependencies(image)) expect(targets).toContain(dependency);
          const reader = images.some((one) => targets.has(one.name) && dependencies(one).includes(image.name));
          expect(reader || image.definition.name === wanted.definition.name).toBe(true);
        }
      }),
    );
  }
});

it("names the nearest image if there is none of that name", () => {
  expect(() => buildTargets(imagesOf({}), "ars")).toThrow("there is no image ars; the nearest is asr");
});
