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

export interface ImagesArgs extends Pick<ImageArgs, "certificates"> {
  readonly settings: ImageArgs["settings"] & Naming & Pick<Settings, "variant" | "baseImages">;
  /** Images beside the services' that the stack uses. */
  readonly wanted: Wanted["images"];
  /** What may be built; `catalog` of catalog.ts by default. */
  readonly catalog?: readonly CatalogImage[];
  /** Folder with one build context per image; `docker` by default. */
  readonly sources?: string;
  /** Folder for the staged contexts, `build/contexts` by default; relative to the program, to be the same on every machine. */
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

/** Every image that the stack needs, each built from the digests of those it depends on. */
export class Images extends pulumi.ComponentResource {
  /** By node name (see plan.ts), in build order. */
  public readonly built: Readonly<Record<string, BuiltImage>>;

  /** The same by the images' names, each in the variant that the stack's services run. */
  private readonly running: Readonly<Record<string, BuiltImage | undefined>>;

  constructor(name: string, args: ImagesArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:images:Images", name, {}, options);
    const { settings, wanted, certificates, catalog = usual, sources = SOURCES, staging = "build/contexts" } = args;
    const definitions = readDefinitions(catalog, sources);
    const contextOf = contextReader(sources);
    // The provider keeps DOCKER_HOST in the state, and would replace every image where another one is set. Builds go to the builder
    // of that name, wherever DOCKER_HOST leads. The alias is the provider of stacks from before this one was declared.
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

  /** The image of that name in the variant that the stack builds. @throws Error where the stack has none. */
  public named(name: string): BuiltImage {
    const image = this.running[name];
    if (image === undefined) throw new Error(`${name}: this stack does not build that image`);
    return image;
  }
}
