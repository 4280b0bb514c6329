import * as path from "node:path";
import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import { catalog as usual, EXTERNAL, type CatalogImage } from "../catalog";
import type { Settings } from "../settings";
import { VARIANTS } from "../variants";
import { hashContext, readContext, removeOldContexts, stageContext, type ContextFile } from "./context";
import { readDefinitions, SOURCES } from "./definitions";
import { buildImage, type BuiltImage, type ImageArgs } from "./image";
import { nodeOf, planImages, type Naming, type Wanted } from "./plan";

/** What the images need. */
export interface ImagesArgs extends Pick<ImageArgs, "certificates"> {
  /** Variant, base images, registry and builder. */
  readonly settings: ImageArgs["settings"] & Naming & Pick<Settings, "variant" | "baseImages">;
  /** Images that the stack uses in addition to the services'. Example: `["models"]`. */
  readonly wanted: Wanted["images"];
  /** All images. Default: `catalog` of catalog.ts. */
  readonly catalog?: readonly CatalogImage[];
  /** Folder with one build context per image. Default: `docker`. */
  readonly sources?: string;
  /** Folder for staged contexts. Relative, because it is in the state, which several machines share. Default: `build/contexts`. */
  readonly staging?: string;
}

/** The files of each image's build context, read once. */
function contextReader(sources: string): (name: string) => ContextFile[] {
  const read = new Map<string, ContextFile[]>();
  return (name) => {
    const files = read.get(name) ?? readContext(path.join(sources, name));
    read.set(name, files);
    return files;
  };
}

/** All images of the stack, each built from the digests of those that it depends on. */
export class Images extends pulumi.ComponentResource {
  /** By node name (see plan.ts), such as `asr` or `asr-cuda`, in build order. */
  public readonly built: Readonly<Record<string, BuiltImage>>;

  /** By image name, each in the stack's variant. */
  private readonly running: Readonly<Record<string, BuiltImage | undefined>>;

  constructor(name: string, args: ImagesArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:images:Images", name, {}, options);
    const { settings, wanted, certificates, catalog = usual, sources = SOURCES, staging = "build/contexts" } = args;
    const definitions = readDefinitions(catalog, sources);
    const contextOf = contextReader(sources);
    // The provider stores DOCKER_HOST in the state, and would replace every image if it changed; but the builder's name decides
    // where builds run, not DOCKER_HOST. Older stacks used the default provider.
    const provider = new dockerBuild.Provider("builder", {}, { ignoreChanges: ["host"], aliases: [{ name: "default_0_0_22" }] });
    const built: Record<string, BuiltImage> = {};
    const plan = planImages(definitions, { variant: settings.variant, images: wanted }, settings, (image) => hashContext(contextOf(image)));
    for (const image of plan) {
      const external = settings.baseImages[VARIANTS[image.variant].baseImage] ?? settings.baseImages.cpu;
      const ofParents = Object.fromEntries(Object.entries(built).map(([node, { reference }]) => [node, reference]));
      const context = stageContext(contextOf(image.definition.name), staging, image.definition.name);
      const references = { ...ofParents, [EXTERNAL]: external };
      built[image.name] = buildImage({ image, context, references, settings, certificates }, { parent: this, provider });
    }
    removeOldContexts(staging);
    this.built = built;
    this.running = Object.fromEntries(definitions.map((one) => [one.name, built[nodeOf(one, settings.variant)]]));
    this.registerOutputs({});
  }

  /** The image of that name, such as `asr`, in the stack's variant. @throws Error if the stack does not build it. */
  public named(name: string): BuiltImage {
    const image = this.running[name];
    if (image === undefined) throw new Error(`${name}: this stack does not build that image`);
    return image;
  }
}
