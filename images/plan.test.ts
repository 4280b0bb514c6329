import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomCatalog } from "../test/random-catalog";
import { catalog, type ImageDefinition } from "./catalog";
import { buildArgument, dependencies, descendants, inBuildOrder, planImages, sourceTag } from "./plan";

const naming = { registry: "127.0.0.1:5000", namespace: "rajiup", variant: "cpu" } as const;
const image = (name: string, parent: string, uses: string[] = []): ImageDefinition => ({
  name,
  parent,
  uses,
  description: "test",
});

describe("inBuildOrder", () => {
  it("puts every image after all it depends on, and drops none", () => {
    fc.assert(
      fc.property(randomCatalog, (random) => {
        const order = inBuildOrder(random).map(({ name }) => name);
        expect([...order].sort()).toEqual(random.map(({ name }) => name).sort());
        for (const definition of random) {
          for (const dependency of dependencies(definition)) {
            expect(order.indexOf(dependency)).toBeLessThan(order.indexOf(definition.name));
          }
        }
      }),
    );
  });

  it("names the circle, the unknown image and the double name", () => {
    expect(() => inBuildOrder([image("a", "b"), image("b", "a")])).toThrow("circle a -> b -> a");
    expect(() => inBuildOrder([image("a", "scratch", ["nowhere"])])).toThrow("unknown image in a -> nowhere");
    expect(() => inBuildOrder([image("a", "scratch"), image("a", "scratch")])).toThrow("twice");
  });
});

describe("descendants", () => {
  it("are exactly the images from which a path leads to the edited one", () => {
    fc.assert(
      fc.property(randomCatalog, fc.nat(), (random, pick) => {
        const edited = random[pick % random.length]?.name ?? "";
        const byName = new Map(random.map((definition) => [definition.name, definition]));
        const reaches = (name: string): boolean =>
          name === edited || dependencies(byName.get(name) ?? image(name, "scratch")).some(reaches);
        expect([...descendants(random, edited)].sort()).toEqual(random.map(({ name }) => name).filter(reaches).sort());
      }),
    );
  });
});

describe("planImages", () => {
  const plan = planImages(catalog, naming, (name) => `hash of ${name}`);

  it("names repository, tags and cache of every image, all different", () => {
    const base = plan.find(({ definition }) => definition.name === "base");
    expect(base?.repository).toBe("127.0.0.1:5000/rajiup/cp-whisperx-app-base");
    expect(base?.tags[0]).toBe("127.0.0.1:5000/rajiup/cp-whisperx-app-base:cpu");
    expect(base?.tags[1]).toMatch(/:cpu-[0-9a-f]{12}$/);
    const references = plan.flatMap(({ tags, cacheReference }) => [...tags, cacheReference]);
    expect(new Set(references).size).toBe(references.length);
  });

  it("changes the source tag of the edited image alone", () => {
    fc.assert(
      fc.property(fc.constantFrom(...catalog.map(({ name }) => name)), (edited) => {
        const after = planImages(catalog, naming, (name) => `hash of ${name}${name === edited ? " edited" : ""}`);
        const changed = plan.filter((before, index) => before.tags[1] !== after[index]?.tags[1]);
        expect(changed.map(({ definition }) => definition.name)).toEqual([edited]);
      }),
    );
  });

  it("refers to parents and used images by the build arguments of their names", () => {
    const asr = plan.find(({ definition }) => definition.name === "asr");
    expect(asr?.references).toEqual({ BASE_IMAGE: "base-whisper", COMMON_IMAGE: "common" });
    expect(buildArgument("build-tools")).toBe("BUILD_TOOLS_IMAGE");
    expect(sourceTag("cpu", "x")).not.toBe(sourceTag("cpu", "y"));
  });
});
