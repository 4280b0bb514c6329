/** Image sizes, layer by layer, so that shared layers can be counted once. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One layer of an image in the engine. */
export interface Layer {
  /** Digest of the uncompressed content; the same in every image that shares the layer. */
  readonly id: string;
  /** Bytes on disk. */
  readonly bytes: number;
}

/** One layer of an image in the registry. */
export interface StoredLayer {
  /** As in the engine. */
  readonly id: string;
  /** Digest of the compressed content; the registry stores each blob once. */
  readonly blob: string;
  /** Bytes of its compressed content. */
  readonly compressedBytes: number;
}

interface Configuration {
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly { readonly empty_layer?: boolean }[];
}

async function docker(args: readonly string[], env = process.env): Promise<string> {
  return (await run("docker", [...args], { maxBuffer: 2 ** 26, env })).stdout;
}

/** The registry's data about an image. Runs without DOCKER_HOST: the client would contact the remote engine first, for nothing. */
async function inRegistry(reference: string, option: readonly string[]): Promise<string> {
  return docker(["buildx", "imagetools", "inspect", ...option, reference], { ...process.env, DOCKER_HOST: undefined });
}

const configurations = new Map<string, Promise<Configuration>>();

/** An image's configuration, cached: a reference with a digest never changes. */
async function configurationOf(reference: string): Promise<Configuration> {
  const asked =
    configurations.get(reference) ??
    inRegistry(reference, ["--format", "{{json .Image}}"]).then((answer) => JSON.parse(answer) as Configuration);
  configurations.set(reference, asked);
  return asked;
}

/** Whether the engine has the image. */
export async function isInEngine(reference: string): Promise<boolean> {
  return docker(["image", "inspect", reference]).then(
    () => true,
    () => false,
  );
}

/** The layers of one image, the base's first. The image must be in the engine, its configuration in the registry. */
export async function imageLayers(reference: string): Promise<Layer[]> {
  const [{ rootfs, history }, sizes] = await Promise.all([
    configurationOf(reference),
    docker(["history", "--human=false", "--no-trunc", "--format", "{{.Size}}", reference]),
  ]);
  const bytes = sizes.trim().split("\n").map(Number).reverse();
  const filled = bytes.filter((_, index) => history[index]?.empty_layer !== true);
  if (filled.length !== rootfs.diff_ids.length) throw new Error(`${reference}: its history does not match its layers`);
  return rootfs.diff_ids.map((id, index) => ({ id, bytes: filled[index] ?? 0 }));
}

/** The layers of a single-platform image in the registry, the base's first. */
export async function storedLayers(reference: string): Promise<StoredLayer[]> {
  const [{ rootfs }, manifest] = await Promise.all([
    configurationOf(reference),
    inRegistry(reference, ["--raw"]),
  ]);
  const { layers } = JSON.parse(manifest) as { layers?: { digest: string; size: number }[] };
  if (layers?.length !== rootfs.diff_ids.length) throw new Error(`${reference}: its manifest does not match its layers`);
  return layers.map(({ digest, size }, index) => ({
    id: rootfs.diff_ids[index] ?? "",
    blob: digest,
    compressedBytes: size,
  }));
}

/** The layers of several images, each image's in order; a shared layer appears once per image. */
export async function stackLayers(references: readonly string[]): Promise<Layer[]> {
  return (await Promise.all(references.map(imageLayers))).flat();
}

/** Bytes of the layers, each one counted once. */
export function totalBytes(layers: readonly Layer[]): number {
  return [...new Map(layers.map(({ id, bytes }) => [id, bytes])).values()].reduce((sum, bytes) => sum + bytes, 0);
}
