/**
 * Prints the targets of `make build`, one URN pattern per line: `build-targets.ts [IMAGE]`, with the stack's configuration
 * (`pulumi config --json`) on standard input. Default: all images of the stack.
 */
import { readFileSync } from "node:fs";
import { closest } from "fastest-levenshtein";
import { MODEL_IMAGES } from "../catalog";
import { readDefinitions } from "../images/definitions";
import { stackNodes, withDependencies, type ImageNode } from "../images/plan";
import { DEFAULT_VARIANT, VARIANT_NAMES } from "../variants";

/** The components that own the images, at any depth: Pulumi skips a target if its parent is not a target. */
const PARENTS = "**cp-whisperx:images:*::*";

/** A setting in the output of `pulumi config --json`. */
interface Setting {
  readonly value?: string;
  /** Whether a part of it is encrypted; then it has no value. */
  readonly secret?: boolean;
  readonly objectValue?: { readonly source?: string };
}

/** The images of a stack with this configuration. Does not validate it: the program does. */
export function imagesOf(configuration: Readonly<Record<string, Setting>>): ImageNode[] {
  const variant = VARIANT_NAMES.find((one) => one === configuration["cp-whisperx:variant"]?.value) ?? DEFAULT_VARIANT;
  const models = configuration["cp-whisperx:models"];
  // Only models of the hub have a secret, the token.
  const hub = models?.secret === true || models?.objectValue?.source === "hub";
  return stackNodes(readDefinitions(), { variant, images: MODEL_IMAGES[hub ? "hub" : "packaged"] });
}

/** Patterns for the image `wanted` and all its dependencies; "" means every image. @throws Error with the nearest name if there is no such image. */
export function buildTargets(images: readonly ImageNode[], wanted: string): string[] {
  const named = images.filter(({ name, definition }) => wanted === "" || name === wanted || definition.name === wanted);
  if (named.length === 0) throw new Error(`there is no image ${wanted}; the nearest is ${closest(wanted, images.map(({ name }) => name))}`);
  return [PARENTS, ...withDependencies(images, named.map(({ name }) => name)).map(({ name }) => `**docker-build:index:Image::${name}`)];
}

if (require.main === module) {
  try {
    const configuration = JSON.parse(readFileSync(0, "utf8")) as Record<string, Setting>;
    console.log(buildTargets(imagesOf(configuration), process.argv[2] ?? "").join("\n"));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
