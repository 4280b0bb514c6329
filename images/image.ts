import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import type { PlannedImage } from "./plan";

export interface StageImageArgs {
  readonly image: PlannedImage;
  /** Folder of the staged build context, relative to the program. */
  readonly context: string;
  /** `repository@digest` of every image that the plan refers to. */
  readonly references: Readonly<Record<string, pulumi.Input<string>>>;
  /** Name of the BuildKit builder; the same on all machines, so that only its endpoint differs. */
  readonly builder: string;
  /** Target platform, for example `linux/amd64`. */
  readonly platform: string;
  /** Login for the registry, where it wants one. */
  readonly registryLogin?: Settings["registryLogin"];
  /** PEM certificates that a build with network access trusts beside the base image's; may be empty. */
  readonly certificates: string;
}

/**
 * All steps' layers, as an image manifest: registries refuse the older form, an index of layers. A build stands even if
 * its cache could not be kept.
 */
const CACHE_EXPORT = { mode: dockerBuild.CacheMode.Max, imageManifest: true, ociMediaTypes: true, ignoreError: true };

/**
 * One image of the hierarchy: built by BuildKit with its cache in the registry, pushed, and referred to by digest.
 *
 * A digest that comes out the same (a comment, a file that no instruction reads) stops there: neither a child nor a
 * container sees a change.
 */
export class StageImage extends pulumi.ComponentResource {
  /** `repository@sha256:...`: what children are built from and containers run. */
  public readonly reference: pulumi.Output<string>;
  public readonly digest: pulumi.Output<string>;
  /** The tag that names the sources this image was built from. */
  public readonly tag: string;

  constructor(name: string, args: StageImageArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:images:StageImage", name, {}, options);
    const { definition, variant, repository, tags, cacheReference, references } = args.image;
    const built = new dockerBuild.Image(
      name,
      {
        tags: [...tags],
        context: { location: args.context },
        buildArgs: {
          ...Object.fromEntries(Object.entries(references).map(([argument, image]) => [argument, reference(args, image)])),
          ...((definition.variants?.length ?? 1) > 1 ? { VARIANT: variant } : {}),
        },
        // A secret mount leaves the certificates in no layer. The provider ignores a change of them only where the secret was
        // there before and after, so a host without any passes it empty.
        secrets: definition.network ? { ca: args.certificates } : undefined,
        ignoreSecretsInDiffCalculation: definition.network ? ["ca"] : undefined,
        registries: registryLogins(args),
        builder: { name: args.builder },
        platforms: [args.platform as dockerBuild.Platform],
        cacheFrom: [{ registry: { ref: cacheReference } }],
        cacheTo: [{ registry: { ref: cacheReference, ...CACHE_EXPORT } }],
        push: true,
        buildOnPreview: false,
      },
      // Another stack may run the same manifest: the registry's own clean-up removes what nobody uses.
      { parent: this, retainOnDelete: true, customTimeouts: { create: "60m", update: "60m" } },
    );
    this.digest = built.digest;
    this.reference = pulumi.interpolate`${repository}@${built.digest}`;
    this.tag = tags[1];
    this.registerOutputs({ reference: this.reference, digest: this.digest, tag: this.tag });
  }
}

/** The login beside the registry's address; whoever deploys need not have run `docker login`. */
function registryLogins({ image, registryLogin }: StageImageArgs): dockerBuild.types.input.RegistryArgs[] | undefined {
  if (registryLogin === undefined) return undefined;
  const [address = ""] = image.repository.split("/");
  return [{ address, ...registryLogin }];
}

function reference(args: StageImageArgs, image: string): pulumi.Input<string> {
  const found = args.references[image];
  if (found === undefined) throw new Error(`${args.image.name}: no reference given for image ${image}`);
  return found;
}
