import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import { movedFrom } from "../aliases";
import type { Settings } from "../settings";
import type { PlannedImage } from "./plan";

/** A built image, for child images and containers. */
export interface BuiltImage {
  /** `repository@sha256:...`. */
  readonly reference: pulumi.Output<string>;
  readonly digest: pulumi.Output<string>;
  /** The tag with the hash of its sources, such as `127.0.0.1:5000/rajiup/cp-whisperx-app-asr:cpu-0123456789ab`. */
  readonly tag: string;
}

/** One image to build. */
export interface ImageArgs {
  /** Its name, variant, tags and references, as `planImages` returns them. */
  readonly image: PlannedImage;
  /** Folder of the staged build context, relative to the program. Example: `build/contexts/asr-0123456789ab`. */
  readonly context: string;
  /**
   * `repository@digest` by name, of every image that this one's build arguments refer to.
   * Example: `{ base: "r:5000/n/base@sha256:..." }`.
   */
  readonly references: Readonly<Record<string, pulumi.Input<string>>>;
  /** The builder has the same name on all machines; only its endpoint differs. */
  readonly settings: Pick<Settings, "builder" | "platform" | "registryLogin">;
  /** PEM certificates that a build with network access trusts in addition to the base image's. Example: `""` for none. */
  readonly certificates: string;
}

/**
 * Cache of all build steps, as an image manifest, because many registries reject the older format. A failed cache export does
 * not fail the build.
 */
const CACHE_EXPORT = { mode: dockerBuild.CacheMode.Max, imageManifest: true, ociMediaTypes: true, ignoreError: true };

/**
 * One image of the hierarchy: built by BuildKit with its cache in the registry, pushed, and referred to by digest.
 *
 * If a rebuild yields the same digest (after a change of a file that no instruction reads), neither child images nor
 * containers change.
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
      // As a secret mount, the certificates are in no layer. The provider ignores a changed secret only if it was set before
      // and after, so a host without certificates passes an empty one.
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
      // Another stack may use the same manifest; the registry's garbage collection removes unused ones.
      retainOnDelete: true,
      customTimeouts: { create: "60m", update: "60m" },
    },
  );
  return { reference: pulumi.interpolate`${repository}@${digest}`, digest, tag: tags[1] };
}

/** The registry's login from the settings, so that no `docker login` is needed. */
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
