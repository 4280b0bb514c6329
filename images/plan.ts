/** Pure functions that plan a stack's builds: which images, in what order, under which names. */
import { EXTERNAL, SCRATCH } from "../catalog";
import { DEFAULT_VARIANT, VARIANTS, type Variant } from "../variants";
import type { ImageDefinition } from "./definitions";
import { buildArgument } from "./dockerfile";

/** Where images are stored. */
export interface Naming {
  /** Host and port of the registry. */
  readonly registry: string;
  /** Repository path in front of the image names. */
  readonly namespace: string;
}

/** Something with dependencies, by name: an image of the catalogue, or one variant of it. */
export interface Dependent {
  readonly name: string;
  readonly parent: string;
  readonly uses: readonly string[];
}

/** One variant of an image, with the variants that it is built from. */
export interface ImageNode extends Dependent {
  /** Image and variant, without the default variant: `asr`, `asr-cuda`. Also the name of its resource. */
  readonly name: string;
  readonly definition: ImageDefinition;
  readonly variant: Variant;
  /** Node, or EXTERNAL, by build argument. */
  readonly references: Readonly<Record<string, string>>;
}

/** An image as this stack builds it. */
export interface PlannedImage extends ImageNode {
  /** `<registry>/<namespace>/cp-whisperx-app-<image>`, without tag. */
  readonly repository: string;
  /** The variant's tag, the tag with the hash of the sources (see `planImages`), and any others. */
  readonly tags: readonly [string, string, ...string[]];
  /** Tag for BuildKit's cache of this image. */
  readonly cacheReference: string;
}

/** What a stack needs. */
export interface Wanted {
  readonly variant: Variant;
  /** Images that it uses in addition to the services'. */
  readonly images: readonly string[];
}

/** The images that the build uses, its parent first. */
export function dependencies({ parent, uses }: Dependent): string[] {
  return [...([EXTERNAL, SCRATCH].includes(parent) ? [] : [parent]), ...uses];
}

/**
 * Topological order: each image comes after its dependencies, otherwise in the given order.
 * @throws Error for an unknown name, a duplicate name or a dependency cycle.
 */
export function inBuildOrder<T extends Dependent>(images: readonly T[]): T[] {
  const byName = new Map(images.map((image) => [image.name, image]));
  if (byName.size !== images.length) throw new Error("catalog.ts: duplicate image name");
  const ordered = new Set<T>();
  const visit = (name: string, path: readonly string[]): void => {
    const trail = [...path, name];
    const image = byName.get(name);
    if (image === undefined) throw new Error(`catalog.ts: unknown image in ${trail.join(" -> ")}`);
    if (path.includes(name)) throw new Error(`catalog.ts: dependency cycle ${trail.join(" -> ")}`);
    if (ordered.has(image)) return;
    for (const dependency of dependencies(image)) visit(dependency, trail);
    ordered.add(image);
  };
  for (const { name } of images) visit(name, []);
  return [...ordered];
}

/** The images of those names and all images that they depend on, directly or not. `ordered` is in build order, as the result is. */
export function withDependencies<T extends Dependent>(ordered: readonly T[], names: Iterable<string>): T[] {
  const needed = new Set(names);
  for (const image of ordered.toReversed()) {
    if (needed.has(image.name)) for (const dependency of dependencies(image)) needed.add(dependency);
  }
  return ordered.filter(({ name }) => needed.has(name));
}

/** The variant of an image that a stack of variant `wanted` uses. @throws Error if the image has neither it nor a fallback. */
export function builtVariant({ name, variants }: ImageDefinition, wanted: Variant): Variant {
  const built = [wanted, ...VARIANTS[wanted].fallbacks].find((choice) => variants.includes(choice));
  if (built === undefined) throw new Error(`catalog.ts: ${name} has no variant for ${wanted}`);
  return built;
}

/** The name of an image's node, without the default variant. */
export function nodeName(image: string, variant: Variant): string {
  return variant === DEFAULT_VARIANT ? image : `${image}-${variant}`;
}

/** The name of the node that a stack of variant `wanted` uses. */
export function nodeOf(definition: ImageDefinition, wanted: Variant): string {
  return nodeName(definition.name, builtVariant(definition, wanted));
}

/** The definition of that name. @throws Error if the catalogue has none. */
function definitionOf(catalog: readonly ImageDefinition[], name: string): ImageDefinition {
  const definition = catalog.find((one) => one.name === name);
  if (definition === undefined) throw new Error(`catalog.ts: unknown image ${name}`);
  return definition;
}

function node(catalog: readonly ImageDefinition[], definition: ImageDefinition, variant: Variant): ImageNode {
  const at = (name: string): string =>
    [EXTERNAL, SCRATCH].includes(name) ? name : nodeOf(definitionOf(catalog, name), variant);
  const parent = at(definition.parentOfVariant?.[variant] ?? definition.parent);
  const used = definition.uses.map((name) => [buildArgument(name), at(name)] as const);
  return {
    name: nodeName(definition.name, variant),
    definition,
    variant,
    parent,
    uses: used.map(([, name]) => name),
    references: Object.fromEntries([...(parent === SCRATCH ? [] : [["BASE_IMAGE", parent] as const]), ...used]),
  };
}

/**
 * Only the nodes that a stack's services and other wanted images need, in build order. A node is built from the same variant
 * of its parents if they have it.
 * @throws Error as `inBuildOrder` does.
 */
export function stackNodes(catalog: readonly ImageDefinition[], wanted: Wanted): ImageNode[] {
  const all = catalog.flatMap((definition) =>
    definition.variants.map((variant) => node(catalog, definition, variant)),
  );
  const direct = catalog.filter(({ name, service }) => service !== undefined || wanted.images.includes(name));
  return withDependencies(inBuildOrder(all), direct.map((definition) => nodeOf(definition, wanted.variant)));
}

/**
 * The plan of a whole stack, in build order. `contextHash` returns the hash of an image's own sources for its tag.
 *
 * If only the content of a context changes, the provider previews wrong outputs. The hash in the tag turns it into a changed
 * input, so that the preview is correct. It covers only the image's own context: a changed parent has a new digest.
 */
export function planImages(
  catalog: readonly ImageDefinition[],
  wanted: Wanted,
  naming: Naming,
  contextHash: (image: string) => string,
): PlannedImage[] {
  return stackNodes(catalog, wanted).map((image) => {
    const { definition, variant } = image;
    const repository = `${naming.registry}/${naming.namespace}/cp-whisperx-app-${definition.name}`;
    const tagged = (tag: string): string => `${repository}:${tag}`;
    return {
      ...image,
      repository,
      tags: [
        tagged(variant),
        tagged(`${variant}-${contextHash(definition.name)}`),
        ...(definition.tagsOfVariant?.[variant] ?? []).map(tagged),
      ],
      cacheReference: tagged(`${variant}-cache`),
    };
  });
}
