/** What images weigh: layer by layer, so that shared ones can be counted once. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One layer of an image as it lies in the engine. */
export interface Layer {
  /** Digest of its uncompressed content; images that share the layer name the same one. */
  readonly id: string;
  /** Bytes on disk. */
  readonly bytes: number;
}

/** One layer of an image as it lies in the registry. */
export interface StoredLayer {
  /** As in the engine. */
  readonly id: string;
  /** Digest of its compressed content; the registry keeps each one once. */
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

/** What the registry says of an image. It is asked from here; the client would greet an engine far away each time, for nothing. */
async function inRegistry(reference: string, option: readonly string[]): Promise<string> {
  return docker(["buildx", "imagetools", "inspect", ...option, reference], { ...process.env, DOCKER_HOST: undefined });
}

const configurations = new Map<string, Promise<Configuration>>();

/** An image's configuration, asked for once: a reference with a digest names the same one for ever. */
async function configurationOf(reference: string): Promise<Configuration> {
  const asked =
    configurations.get(reference) ??
    inRegistry(reference, ["--format", "{{json .Image}}"]).then((answer) => JSON.parse(answer) as Configuration);
  configurations.set(reference, asked);
  return asked;
}

/** Whether the engine holds the image. */
export async function isInEngine(reference: string): Promise<boolean> {
  return docker(["image", "inspect", reference]).then(
    () => true,
    () => false,
  );
}

/** The layers of one image, its base's first. The engine must hold the image and the registry its configuration. */
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

/** The layers of one image as the registry keeps them, its base's first; of an image for one platform. */
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

/** The layers of several images, each image's in order; a shared one stands once for every image that has it. */
export async function stackLayers(references: readonly string[]): Promise<Layer[]> {
  return (await Promise.all(references.map(imageLayers))).flat();
}

/** Bytes of the layers, each one counted once. */
export function totalBytes(layers: readonly Layer[]): number {
  return [...new Map(layers.map(({ id, bytes }) => [id, bytes])).values()].reduce((sum, bytes) => sum + bytes, 0);
}
