import * as path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { catalog, EXTERNAL, type ImageDefinition } from "./catalog";
import { hashContext, readContext, stageContext } from "./context";
import { StageImage } from "./image";
import { planImages, type Naming } from "./plan";

export interface HierarchyArgs extends Naming {
  readonly builder: string;
  readonly platform: string;
  /** The image from outside that the hierarchy starts from, as `name@digest`. */
  readonly externalImage: string;
  /** PEM certificates that builds trust. */
  readonly certificates?: string;
  /** Folder with one build context per image. */
  readonly sources: string;
  /** Folder for the staged contexts; relative to the program, so that it is the same on every machine. */
  readonly staging: string;
}

/** The images of a stack by name, in build order. */
export type Hierarchy = Readonly<Record<string, StageImage>>;

/** The image of that name. @throws Error where the catalogue has none. */
export function imageNamed(hierarchy: Hierarchy, name: string): StageImage {
  const image = hierarchy[name];
  if (image === undefined) throw new Error(`images/catalog.ts: there is no image ${name}`);
  return image;
}

/** Declares every image of the catalogue, each built from the digests of those it depends on. */
export function buildHierarchy(
  args: HierarchyArgs,
  definitions: readonly ImageDefinition[] = catalog,
): Hierarchy {
  const contexts = new Map(definitions.map(({ name }) => [name, readContext(path.join(args.sources, name))]));
  const plan = planImages(definitions, args, (name) => hashContext(contexts.get(name) ?? []));
  const images: Record<string, StageImage> = {};
  const references: Record<string, pulumi.Input<string>> = { [EXTERNAL]: args.externalImage };
  for (const image of plan) {
    const { name } = image.definition;
    const context = path.join(args.staging, name);
    stageContext(contexts.get(name) ?? [], context);
    const { builder, platform, certificates } = args;
    images[name] = new StageImage(name, { image, context, references: { ...references }, builder, platform, certificates });
    references[name] = images[name].reference;
  }
  return images;
}
