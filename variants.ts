/** The hardware variants of images, one row each. */

export interface VariantFacts {
  /** Whether its services can use GPUs. */
  readonly gpu: boolean;
  /** Where the stages with a model find torch: in their images, in the host's Python environment, or nowhere. */
  readonly torch: "image" | "host" | "none";
  /** For an image without this variant, the first of these that it has is used. */
  readonly fallbacks: readonly string[];
  /** The key of the setting baseImages; `cpu` if that one is not set. */
  readonly baseImage: "cpu" | "cuda";
  /** Disk space for a stack, in MiB. */
  readonly disk: {
    /** Images in the engine during a pull: unpacked layers and their compressed copies. */
    readonly images: number;
    /** First build: all layers in the builder's cache, and compressed in the registry. */
    readonly build: number;
    /** Update: a new copy of the largest shared layers, next to the old one. With CUDA that is torch. */
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

/** The default variant of an image; it is not part of resource names. */
export const DEFAULT_VARIANT: Variant = "cpu";
