/** Pure functions from the catalogue to what a stack builds: which images, in what order, under which names. */
import { createHash } from "node:crypto";
import { EXTERNAL, SCRATCH, type ImageDefinition, type Variant } from "./catalog";

/** Where images are kept and which variant of them is wanted. */
export interface Naming {
  /** Host and port of the registry. */
  readonly registry: string;
  readonly namespace: string;
  readonly variant: Variant;
}

/** An image as this stack builds it. */
export interface PlannedImage {
  readonly definition: ImageDefinition;
  /** `<registry>/<namespace>/cp-whisperx-app-<image>`, without tag. */
  readonly repository: string;
  /** The tag that names the variant, and the tag that changes with the sources (see `sourceTag`). */
  readonly tags: readonly [string, string];
  /** Where BuildKit keeps this image's cache: a tag of its own, never one of the image's. */
  readonly cacheReference: string;
  /** Build argument name to the image of the catalogue, or EXTERNAL, that it refers to. */
  readonly references: Readonly<Record<string, string>>;
}

/** The images that the definition's build reads, its parent first. */
export function dependencies(definition: ImageDefinition): string[] {
  const parent = [EXTERNAL, SCRATCH].includes(definition.parent) ? [] : [definition.parent];
  return [...parent, ...(definition.uses ?? [])];
}

/**
 * The definitions so that each one comes after all it depends on; otherwise in the catalogue's order.
 * @throws Error where a name is unknown or twice there, or where images depend on each other in a circle.
 */
export function inBuildOrder(catalog: readonly ImageDefinition[]): ImageDefinition[] {
  const byName = new Map(catalog.map((definition) => [definition.name, definition]));
  if (byName.size !== catalog.length) throw new Error("images/catalog.ts: an image name stands there twice");
  const ordered: ImageDefinition[] = [];
  const visit = (name: string, path: readonly string[]): void => {
    const trail = [...path, name];
    const definition = byName.get(name);
    if (definition === undefined) throw new Error(`images/catalog.ts: unknown image in ${trail.join(" -> ")}`);
    if (path.includes(name)) throw new Error(`images/catalog.ts: circle ${trail.join(" -> ")}`);
    if (ordered.includes(definition)) return;
    for (const dependency of dependencies(definition)) visit(dependency, trail);
    ordered.push(definition);
  };
  for (const definition of catalog) visit(definition.name, []);
  return ordered;
}

/** Names of the image and of all that is built from it, directly or not. */
export function descendants(catalog: readonly ImageDefinition[], name: string): Set<string> {
  const reached = new Set([name]);
  for (const definition of inBuildOrder(catalog)) {
    if (dependencies(definition).some((dependency) => reached.has(dependency))) reached.add(definition.name);
  }
  return reached;
}

/** The build argument that names another image: `build-tools` is `BUILD_TOOLS_IMAGE`. */
export function buildArgument(image: string): string {
  return `${image.replaceAll("-", "_").toUpperCase()}_IMAGE`;
}

function references(definition: ImageDefinition): Record<string, string> {
  const used = (definition.uses ?? []).map((name) => [buildArgument(name), name] as const);
  const parent = definition.parent === SCRATCH ? [] : [["BASE_IMAGE", definition.parent] as const];
  return Object.fromEntries([...parent, ...used]);
}

/**
 * The tag that names an image's own sources: `<variant>-<12 hexadecimal digits>`.
 *
 * The provider computes its outputs wrongly in a preview where only the content of a context changed. This tag makes
 * every such change one of an input, so that the preview says truthfully what follows from it. It covers the image's
 * own context alone: what a parent's change means is told by the parent's digest.
 */
export function sourceTag(variant: Variant, contextHash: string): string {
  return `${variant}-${createHash("sha256").update(contextHash).digest("hex").slice(0, 12)}`;
}

/** The plan of a whole stack, in build order. `contextHash` yields the hash of an image's sources. */
export function planImages(
  catalog: readonly ImageDefinition[],
  naming: Naming,
  contextHash: (image: string) => string,
): PlannedImage[] {
  return inBuildOrder(catalog).map((definition) => {
    const repository = `${naming.registry}/${naming.namespace}/cp-whisperx-app-${definition.name}`;
    const tag = sourceTag(naming.variant, contextHash(definition.name));
    return {
      definition,
      repository,
      tags: [`${repository}:${naming.variant}`, `${repository}:${tag}`],
      cacheReference: `${repository}:${naming.variant}-cache`,
      references: references(definition),
    };
  });
}
