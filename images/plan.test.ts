import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomCatalog, randomStack } from "../test/random-catalog";
import { MODEL_IMAGES } from "../catalog";
import { DEFAULT_VARIANT, VARIANT_NAMES, type Variant } from "../variants";
import { readDefinitions, type ImageDefinition } from "./definitions";
import {
  builtVariant,
  dependencies,
  inBuildOrder,
  planImages,
  stackNodes,
  type Dependent,
} from "./plan";

const definitions = readDefinitions();
const naming = { registry: "127.0.0.1:5000", namespace: "rajiup" };
const image = (name: string, parent: string, uses: string[] = []): ImageDefinition => ({
  name,
  parent,
  uses,
  description: "test",
  variants: [DEFAULT_VARIANT],
  network: false,
});
const names = (images: Iterable<Dependent>): string[] => [...images].map(({ name }) => name);
const wanted = (variant: Variant) => ({ variant, images: MODEL_IMAGES.packaged });

describe("inBuildOrder", () => {
  it("puts every image after its dependencies, and drops none", () => {
    fc.assert(
      fc.property(randomCatalog, (random) => {
        const order = names(inBuildOrder(random));
        expect([...order].sort()).toEqual(names(random).sort());
        for (const definition of random) {
          for (const dependency of dependencies(definition)) {
            expect(order.indexOf(dependency)).toBeLessThan(order.indexOf(definition.name));
          }
        }
      }),
    );
  });

  it("reports a dependency cycle, an unknown image and a duplicate name", () => {
    expect(() => inBuildOrder([image("a", "b"), image("b", "a")])).toThrow("dependency cycle a -> b -> a");
    expect(() => inBuildOrder([image("a", "scratch", ["nowhere"])])).toThrow("unknown image in a -> nowhere");
    expect(() => inBuildOrder([image("a", "scratch"), image("a", "scratch")])).toThrow("duplicate image name");
  });
});

describe("builtVariant", () => {
  it.each<[Variant[], Variant, Variant]>([
    [["cpu"], "cuda", "cpu"],
    [["cpu"], "cuda-slim", "cpu"],
    [["cpu", "cuda"], "cuda", "cuda"],
    [["cpu", "cuda"], "cuda-slim", "cuda"],
    [["cpu", "cuda", "cuda-slim"], "cuda-slim", "cuda-slim"],
    [["cpu", "cuda", "cuda-slim"], "cpu", "cpu"],
  ])("of an image with %s is, where %s is wanted, %s", (variants, asked, built) => {
    expect(builtVariant({ ...image("a", "scratch"), variants }, asked)).toBe(built);
  });

  it("is always the wanted variant or one of its fallbacks", () => {
    expect(() => builtVariant({ ...image("a", "scratch"), variants: ["cuda"] }, "cpu")).toThrow("a has no variant for cpu");
  });
});

describe("stackNodes", () => {
  it("are exactly the nodes that a wanted image depends on, in build order", () => {
    fc.assert(
      fc.property(randomStack, ({ catalog: random, wanted: asked }) => {
        const nodes = stackNodes(random, asked);
        const byName = new Map(nodes.map((node) => [node.name, node]));
        const roots = random.filter(({ name, service }) => service ?? asked.images.includes(name));
        const reached = new Set<string>();
        const visit = (name: string): void => {
          reached.add(name);
          dependencies(byName.get(name) ?? image(name, "scratch")).forEach(visit);
        };
        for (const root of roots) {
          const variant = builtVariant(root, asked.variant);
          visit(variant === DEFAULT_VARIANT ? root.name : `${root.name}-${variant}`);
        }
        expect(names(nodes).sort()).toEqual([...reached].sort());
        for (const [index, node] of nodes.entries()) {
          for (const dependency of dependencies(node)) expect(names(nodes).slice(0, index)).toContain(dependency);
        }
      }),
    );
  });

  it("are built from the same variant of a parent that has it, and from no GPU variant in a cpu stack", () => {
    fc.assert(
      fc.property(randomStack, ({ catalog: random, wanted: asked }) => {
        const nodes = stackNodes(random, asked);
        const byName = new Map(nodes.map((node) => [node.name, node]));
        for (const node of nodes) {
          for (const parent of dependencies(node).map((name) => byName.get(name))) {
            if (parent !== undefined) expect(parent.variant).toBe(builtVariant(parent.definition, node.variant));
          }
        }
        if (asked.variant === "cpu") expect(nodes.filter(({ variant }) => variant !== "cpu")).toEqual([]);
      }),
    );
  });

  it("of the catalogue with cuda: torch once, Whisper from the same image, light stages as they are", () => {
    const nodes = new Map(stackNodes(definitions, wanted("cuda")).map((node) => [node.name, node]));
    expect(nodes.get("asr-cuda")).toMatchObject({ parent: "base-ml-cuda", uses: ["build-tools", "common"] });
    expect(nodes.get("base-ml-cuda")?.parent).toBe("base-cuda");
    expect(nodes.get("demux")?.parent).toBe("base-ffmpeg");
    for (const absent of ["asr", "base-ml", "base-whisper", "prefetch"]) expect([...nodes.keys()]).not.toContain(absent);
  });

  it("of the catalogue with cuda-slim: no image with torch", () => {
    const nodes = stackNodes(definitions, wanted("cuda-slim"));
    expect(nodes.filter(({ variant }) => variant === "cuda").map(({ name }) => name)).toEqual(["base-cuda"]);
    expect(names(nodes)).toContain("base-ml-cuda-slim");
  });

  it("of the catalogue with models from the hub: also prefetch", () => {
    expect(names(stackNodes(definitions, { variant: "cpu", images: MODEL_IMAGES.hub }))).toContain("prefetch");
  });

  it("has every image of the catalogue in some stack", () => {
    const built = VARIANT_NAMES.flatMap((variant) => stackNodes(definitions, { variant, images: MODEL_IMAGES.hub }));
    expect(new Set(built.map(({ definition }) => definition.name))).toEqual(new Set(names(definitions)));
  });
});

describe("planImages", () => {
  const plan = planImages(definitions, wanted("cpu"), naming, (name) => `hash of ${name}`);
  const cuda = planImages(definitions, wanted("cuda"), naming, (name) => `hash of ${name}`);

  it("names repository, tags and cache of every image, all different", () => {
    const base = plan.find(({ name }) => name === "base");
    expect(base?.repository).toBe("127.0.0.1:5000/rajiup/cp-whisperx-app-base");
    expect(base?.tags[0]).toBe("127.0.0.1:5000/rajiup/cp-whisperx-app-base:cpu");
    expect(base?.tags[1]).toBe("127.0.0.1:5000/rajiup/cp-whisperx-app-base:cpu-hash of base");
    for (const one of [plan, cuda]) {
      const references = one.flatMap(({ tags, cacheReference }) => [...tags, cacheReference]);
      expect(new Set(references).size).toBe(references.length);
    }
  });

  it("keeps the variants of an image in one repository, by tag", () => {
    const [cpu, gpu] = ["base", "base-cuda"].map((name) => cuda.find((one) => one.name === name));
    expect(gpu?.repository).toBe(cpu?.repository);
    expect(gpu?.tags.map((tag) => tag.split(":").at(-1))).toEqual(["cuda", "cuda-hash of base"]);
    expect(gpu?.cacheReference).toMatch(/cp-whisperx-app-base:cuda-cache$/);
    expect(cuda.find(({ name }) => name === "base-ml-cuda")?.tags.at(-1)).toMatch(/:cuda-full$/);
  });

  it("changes only the source tags of the edited image, in all its variants", () => {
    fc.assert(
      fc.property(fc.constantFrom(...VARIANT_NAMES), fc.constantFrom(...names(definitions)), (variant, edited) => {
        const [before, after] = ["", " edited"].map((change) =>
          planImages(definitions, wanted(variant), naming, (name) => `hash of ${name}${name === edited ? change : ""}`),
        );
        const changed = before?.filter(({ tags }, index) => tags[1] !== after?.[index]?.tags[1]);
        expect(changed).toEqual(before?.filter(({ definition }) => definition.name === edited));
      }),
    );
  });

  it("refers to parents and used images by the build arguments of their names", () => {
    const asr = plan.find(({ name }) => name === "asr");
    expect(asr?.references).toEqual({ BASE_IMAGE: "base-whisper", COMMON_IMAGE: "common", BUILD_TOOLS_IMAGE: "build-tools" });
    const used = [image("tool", "scratch"), { ...image("user", "scratch", ["tool"]), service: { memoryMegabytes: 1 } }];
    const variants: ImageDefinition[] = used.map((one) => ({ ...one, variants: ["cpu", "cuda"] }));
    const [, user] = stackNodes(variants, { variant: "cuda", images: [] });
    expect(user?.references).toEqual({ TOOL_IMAGE: "tool-cuda" });
  });
});
