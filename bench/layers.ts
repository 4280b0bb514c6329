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

async function docker(args: readonly string[]): Promise<string> {
  return (await run("docker", [...args], { maxBuffer: 2 ** 26 })).stdout;
}

/** The layers of one image, its base's first. The engine must hold the image and the registry its configuration. */
async function imageLayers(reference: string): Promise<Layer[]> {
  const [configuration, sizes] = await Promise.all([
    docker(["buildx", "imagetools", "inspect", reference, "--format", "{{json .Image}}"]),
    docker(["history", "--human=false", "--no-trunc", "--format", "{{.Size}}", reference]),
  ]);
  const { rootfs, history } = JSON.parse(configuration) as {
    rootfs: { diff_ids: string[] };
    history: { empty_layer?: boolean }[];
  };
  const bytes = sizes.trim().split("\n").map(Number).reverse();
  const filled = bytes.filter((_, index) => history[index]?.empty_layer !== true);
  if (filled.length !== rootfs.diff_ids.length) throw new Error(`${reference}: its history does not match its layers`);
  return rootfs.diff_ids.map((id, index) => ({ id, bytes: filled[index] ?? 0 }));
}

/** The layers of several images, each image's in order; a shared one stands once for every image that has it. */
export async function stackLayers(references: readonly string[]): Promise<Layer[]> {
  return (await Promise.all(references.map(imageLayers))).flat();
}

/** Bytes of the layers, each one counted once. */
export function totalBytes(layers: readonly Layer[]): number {
  return [...new Map(layers.map(({ id, bytes }) => [id, bytes])).values()].reduce((sum, bytes) => sum + bytes, 0);
}
