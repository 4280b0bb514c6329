import * as path from "node:path";
import * as dockerBuild from "@pulumi/docker-build";
import type * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import { catalog, EXTERNAL, type ImageDefinition, type Variant } from "./catalog";
import { hashContext, readContext, removeOldContexts, stageContext, type ContextFile } from "./context";
import { StageImage } from "./image";
import { definitionOf, nodeOf, planImages, type Naming, type Wanted } from "./plan";

export interface HierarchyArgs extends Naming, Wanted {
  readonly builder: string;
  readonly platform: string;
  /** The images from outside that the hierarchy starts from, as `name@digest`; that of `cpu` serves all where alone. */
  readonly externalImages: { readonly cpu: string; readonly cuda?: string };
  readonly registryLogin?: Settings["registryLogin"];
  /** PEM certificates that builds trust beside the base image's; may be empty. */
  readonly certificates: string;
  /** Folder with one build context per image. */
  readonly sources: string;
  /** Folder for the staged contexts; relative to the program, so that it is the same on every machine. */
  readonly staging: string;
}

/** The images of a stack by node name (see plan.ts), in build order. */
export interface Hierarchy {
  readonly variant: Variant;
  readonly images: Readonly<Record<string, StageImage>>;
}

/** The image of that name in the variant that the stack builds. @throws Error where the stack has none. */
export function imageNamed({ variant, images }: Hierarchy, name: string): StageImage {
  const image = images[nodeOf(definitionOf(catalog, name), variant)];
  if (image === undefined) throw new Error(`${name}: this stack does not build that image`);
  return image;
}

/** Declares every image that the stack needs, each built from the digests of those it depends on. */
export function buildHierarchy(args: HierarchyArgs, definitions: readonly ImageDefinition[] = catalog): Hierarchy {
  const { builder, platform, registryLogin, certificates, externalImages } = args;
  const contexts = new Map<string, ContextFile[]>();
  const contextOf = (name: string): ContextFile[] => {
    const files = contexts.get(name) ?? readContext(path.join(args.sources, name));
    contexts.set(name, files);
    return files;
  };
  // The provider keeps DOCKER_HOST in the state, and would replace every image where another one is set. Builds go to the builder
  // of that name, wherever DOCKER_HOST leads. The alias is the provider of stacks from before this one was declared.
  const provider = new dockerBuild.Provider("builder", {}, { ignoreChanges: ["host"], aliases: [{ name: "default_0_0_22" }] });
  const images: Record<string, StageImage> = {};
  const references: Record<string, pulumi.Input<string>> = {};
  for (const image of planImages(definitions, args, args, (name) => hashContext(contextOf(name)))) {
    const { name } = image.definition;
    const external = (image.variant === "cpu" ? undefined : externalImages.cuda) ?? externalImages.cpu;
    const built = new StageImage(
      image.name,
      {
        image,
        context: stageContext(contextOf(name), args.staging, name),
        references: { ...references, [EXTERNAL]: external },
        builder,
        platform,
        registryLogin,
        certificates,
      },
      { provider },
    );
    images[image.name] = built;
    references[image.name] = built.reference;
  }
  removeOldContexts(args.staging);
  return { variant: args.variant, images };
}
