import { describe, expect, it } from "vitest";
import type { Layer } from "./layers";
import { addedLayers, engineSize, sizeTables, withSizes, type RunningImage, type WeighedImage } from "./sizes";

/** Layers of 1, 2, 3 ... million bytes by their names; compressed to half. */
function layers(names: string): Layer[] {
  return Array.from(names).map((name) => ({ id: name, bytes: (name.charCodeAt(0) - 96) * 1e6 }));
}

function stored(name: string, names: string): WeighedImage {
  const halves = layers(names).map(({ id, bytes }) => ({ id, blob: `blob of ${id}`, compressedBytes: bytes / 2 }));
  return { name, stored: halves };
}

const image = (name: string, names: string): RunningImage => ({ ...stored(name, names), engine: layers(names) });

describe("engineSize", () => {
  const [one, other] = [image("one", "abc"), image("other", "abd")];

  it("separates an image's own layers from shared ones", () => {
    expect(engineSize(one, [one, other])).toEqual({ total: 6e6, unique: 3e6, shared: 3e6 });
    expect(engineSize(one, [one])).toEqual({ total: 6e6, unique: 6e6, shared: 0 });
  });

  it("counts a layer that occurs twice in an image once", () => {
    expect(engineSize(image("twice", "aab"), []).total).toBe(3e6);
  });
});

it("addedLayers are the layers on top of the largest image that an image is built on", () => {
  const images = [stored("base", "a"), stored("ml", "abc"), stored("other", "abd"), stored("asr", "abcd")];
  const added = (name: string): string[] =>
    addedLayers(images.find((one) => one.name === name) ?? stored(name, ""), images).map(({ id }) => id);
  expect(added("base")).toEqual(["a"]);
  expect(added("ml")).toEqual(["b", "c"]);
  expect(added("asr")).toEqual(["d"]);
});

describe("sizeTables", () => {
  const tables = sizeTables([stored("base", "a"), stored("tools", "z"), image("one", "abc"), image("other", "abd")]);

  it("has one row per running image, and their sum with shared layers once", () => {
    expect(tables).toContain("| `one` | 6.0 | 3.0 | 3.0 | 3.0 |");
    expect(tables).toContain("| `other` | 7.0 | 4.0 | 3.0 | 3.5 |");
    expect(tables).toContain("| **together, shared layers once** | **10.0** |  |  | **5.0** |");
  });

  it("shows what parents add, and which parents are not in the engine", () => {
    expect(tables).toContain("| `base` | 1.0 | 0.5 |");
    expect(tables).toContain("| `tools` | not there | 13.0 |");
  });

  it("sums up the registry over all images", () => {
    expect(tables).toContain("All 4 images in the registry, each layer once: 18.0 MB.");
  });

  it("leaves the parents out if there are none", () => {
    expect(sizeTables([image("one", "a")])).not.toContain("built from");
  });
});

describe("withSizes", () => {
  const heading = "## Stack gpu";

  it("adds a part, replaces it later, and leaves the rest unchanged", () => {
    const first = withSizes("# Sizes\n\nText.\n", "gpu", "one", heading);
    expect(first).toMatch(/^# Sizes\n\nText\.\n\n## Stack gpu\n\n<!-- [^]*one[^]*-->\n$/);
    const both = withSizes(first, "cpu", "other");
    const again = withSizes(both, "gpu", "two", heading);
    expect(again).toBe(both.replace("one", "two"));
  });

  it("refuses a text with one of the two markers", () => {
    const text = withSizes("", "gpu", "one");
    expect(() => withSizes(text.replace("<!-- end of gpu -->", ""), "gpu", "two")).toThrow(/markers of gpu/);
  });
});
