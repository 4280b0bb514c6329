import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import type { Settings } from "../settings";
import type { PlannedImage } from "./plan";

/** An image as children are built from it and containers run it. */
export interface BuiltImage {
  /** `repository@sha256:...`. */
  readonly reference: pulumi.Output<string>;
  readonly digest: pulumi.Output<string>;
  /** The tag that names the sources it was built from. */
  readonly tag: string;
}

export interface ImageArgs {
  readonly image: PlannedImage;
  /** Folder of the staged build context, relative to the program. */
  readonly context: string;
  /** `repository@digest` of every image that the plan refers to. */
  readonly references: Readonly<Record<string, pulumi.Input<string>>>;
  /** The builder is the same on all machines by its name, so that only its endpoint differs. */
  readonly settings: Pick<Settings, "builder" | "platform" | "registryLogin">;
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
export function buildImage(args: ImageArgs, options: pulumi.CustomResourceOptions): BuiltImage {
  const { name, definition, variant, repository, tags, cacheReference, references } = args.image;
  const { builder, platform } = args.settings;
  const { digest } = new dockerBuild.Image(
    name,
    {
      tags: [...tags],
      context: { location: args.context },
      buildArgs: {
        ...Object.fromEntries(Object.entries(references).map(([argument, image]) => [argument, reference(args, image)])),
        ...(definition.variants.length > 1 ? { VARIANT: variant } : {}),
      },
      // A secret mount leaves the certificates in no layer. The provider ignores a change of them only where the secret was
      // there before and after, so a host without any passes it empty.
      secrets: definition.network ? { ca: args.certificates } : undefined,
      ignoreSecretsInDiffCalculation: definition.network ? ["ca"] : undefined,
      registries: registryLogins(args),
      builder: { name: builder },
      platforms: [platform],
      cacheFrom: [{ registry: { ref: cacheReference } }],
      cacheTo: [{ registry: { ref: cacheReference, ...CACHE_EXPORT } }],
      push: true,
      buildOnPreview: false,
    },
    {
      ...options,
      aliases: [movedFrom("cp-whisperx:images:StageImage", name)],
      // Another stack may run the same manifest: the registry's own clean-up removes what nobody uses.
      retainOnDelete: true,
      customTimeouts: { create: "60m", update: "60m" },
    },
  );
  return { reference: pulumi.interpolate`${repository}@${digest}`, digest, tag: tags[1] };
}

/** The login beside the registry's address; whoever deploys need not have run `docker login`. */
function registryLogins({ image, settings }: ImageArgs): dockerBuild.types.input.RegistryArgs[] | undefined {
  const { registryLogin } = settings;
  if (registryLogin === undefined) return undefined;
  const [address = ""] = image.repository.split("/");
  return [{ address, ...registryLogin }];
}

function reference(args: ImageArgs, image: string): pulumi.Input<string> {
  const found = args.references[image];
  if (found === undefined) throw new Error(`${args.image.name}: no reference given for image ${image}`);
  return found;
}
