/** Tables of a stack's image sizes in the engine and in the registry. Pure: bench/write-sizes.ts gets the figures. */
import { marked, table, withPart } from "../toolchain/docs/markdown";
import { totalBytes, type Layer, type StoredLayer } from "./layers";

/** One image of a stack. */
export interface WeighedImage {
  readonly name: string;
  /** In the registry. */
  readonly stored: readonly StoredLayer[];
  /** In the engine; undefined for an image that no service runs, such as a parent. */
  readonly engine?: readonly Layer[];
}

/** An image that is in the engine. */
export interface RunningImage extends WeighedImage {
  readonly engine: readonly Layer[];
}

/** Bytes of one image in the engine. */
export interface EngineSize {
  readonly total: number;
  /** Layers of this image alone. */
  readonly unique: number;
  /** Layers shared with other images of the stack. */
  readonly shared: number;
}

/** Whether the image is in the engine. */
export const isRunning = (image: WeighedImage): image is RunningImage => image.engine !== undefined;

/** An image's size in the engine, given the other images there. */
export function engineSize(image: RunningImage, others: readonly RunningImage[]): EngineSize {
  const elsewhere = new Set(others.filter((other) => other !== image).flatMap(({ engine }) => engine.map(({ id }) => id)));
  const total = totalBytes(image.engine);
  const unique = totalBytes(image.engine.filter(({ id }) => !elsewhere.has(id)));
  return { total, unique, shared: total - unique };
}

/** Compressed bytes, each blob counted once. */
export function storedBytes(layers: readonly StoredLayer[]): number {
  return totalBytes(layers.map(({ blob, compressedBytes }) => ({ id: blob, bytes: compressedBytes })));
}

/** The layers that an image adds to the largest other image that it is built on. */
export function addedLayers(image: WeighedImage, images: readonly WeighedImage[]): readonly StoredLayer[] {
  const begins = ({ stored }: WeighedImage): boolean =>
    stored.length < image.stored.length && stored.every(({ id }, index) => image.stored[index]?.id === id);
  const below = Math.max(0, ...images.filter(begins).map(({ stored }) => stored.length));
  return image.stored.slice(below);
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function runningTable(running: readonly RunningImage[]): string {
  const rows = running.map((image) => {
    const { total, unique, shared } = engineSize(image, running);
    return [`\`${image.name}\``, ...[total, unique, shared, storedBytes(image.stored)].map(megabytes)];
  });
  const together = totalBytes(running.flatMap(({ engine }) => engine));
  const compressed = storedBytes(running.flatMap(({ stored }) => stored));
  return table(
    ["image that runs", "in the engine, MB", "its own", "shared with others", "in the registry, compressed"],
    [...rows, ["**together, shared layers once**", `**${megabytes(together)}**`, "", "", `**${megabytes(compressed)}**`]],
    "figures",
  );
}

function parentTable(images: readonly WeighedImage[]): string {
  const bytes = new Map(images.flatMap(({ engine = [] }) => engine.map((layer) => [layer.id, layer.bytes] as const)));
  const rows = images
    .filter((image) => !isRunning(image))
    .map((image) => {
      const added = addedLayers(image, images);
      const known = added.every(({ id }) => bytes.has(id));
      const engine = totalBytes(added.map(({ id }) => ({ id, bytes: bytes.get(id) ?? 0 })));
      return [`\`${image.name}\``, known ? megabytes(engine) : "not there", megabytes(storedBytes(added))];
    });
  return table(["image that others are built from", "adds in the engine, MB", "adds in the registry, compressed"], rows, "figures");
}

/** The tables of one stack. */
export function sizeTables(images: readonly WeighedImage[]): string {
  const parents = images.every(isRunning) ? [] : [parentTable(images)];
  const registry = `All ${images.length} images in the registry, each layer once: ${megabytes(storedBytes(images.flatMap(({ stored }) => stored)))} MB.`;
  return [runningTable(images.filter(isRunning)), ...parents, registry].join("\n\n");
}

/**
 * The text of docs/sizes.md with one part replaced, or appended if it is new.
 * @throws Error if one of the part's markers is missing.
 */
export function withSizes(text: string, name: string, content: string, heading?: string): string {
  const part = { name, madeBy: "make sizes" };
  const atTheEnd = [text.trimEnd(), ...(heading === undefined ? [] : [heading]), marked(part, content)].join("\n\n");
  return withPart(text, part, content) ?? `${atTheEnd}\n`;
}
