/** The kinds of hardware that images are built for: one row says all that the program knows of a variant. */

export interface VariantFacts {
  /** Whether its services use GPUs where there are some. */
  readonly gpu: boolean;
  /** Where the stages with a model find torch: in their images, in the host's own Python environment, or nowhere. */
  readonly torch: "image" | "host" | "none";
  /** The variants of an image that stand in where it has no build of this one: the first that it has. */
  readonly fallbacks: readonly string[];
  /** The setting below baseImages that names the image from outside; `cpu` where that one is not set. */
  readonly baseImage: "cpu" | "cuda";
  /** What a stack takes on disks, in MiB. */
  readonly disk: {
    /** Its images in the engine, while they are pulled, unpacked and compressed side by side. */
    readonly images: number;
    /** A first build: all layers in the builder's cache, and compressed in the registry. */
    readonly build: number;
    /** An update: the largest shared layers anew beside the old ones. With CUDA that is torch. */
    readonly update: number;
  };
}

const facts = {
  cpu: {
    gpu: false,
    torch: "none",
    fallbacks: [],
    baseImage: "cpu",
    disk: { images: 3000, build: 5000, update: 2000 },
  },
  cuda: {
    gpu: true,
    torch: "image",
    fallbacks: ["cpu"],
    baseImage: "cuda",
    disk: { images: 15_000, build: 20_000, update: 12_000 },
  },
  "cuda-slim": {
    gpu: true,
    torch: "host",
    fallbacks: ["cuda", "cpu"],
    baseImage: "cuda",
    disk: { images: 4000, build: 5000, update: 2000 },
  },
} as const satisfies Record<string, VariantFacts>;

/** A variant's name is also the tag of its images. */
export type Variant = keyof typeof facts;

export const VARIANTS: Readonly<Record<Variant, VariantFacts & { readonly fallbacks: readonly Variant[] }>> = facts;

export const VARIANT_NAMES = Object.keys(facts) as Variant[];

/** The variant that every image has unless the catalogue says otherwise; names of resources leave it out. */
export const DEFAULT_VARIANT: Variant = "cpu";
