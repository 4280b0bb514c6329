/** The images of a stack as a file for `docker buildx bake`. */
import * as path from "node:path";
import type * as dockerBuild from "@pulumi/docker-build";
import type * as pulumi from "@pulumi/pulumi";
import { SOURCES } from "../../images/definitions";
import { digestOf, IMAGE, type Declared } from "./declared";

type Inputs = pulumi.Unwrap<dockerBuild.ImageArgs>;

/** An image of the stack. */
export interface StackImage {
  readonly name: string;
  readonly inputs: Inputs;
  /** `repository@digest` as the program wrote it into its other resources. */
  readonly reference: string;
  /** `repository:tag`, without the tag with the hash of its sources, which would be wrong after the first edit. */
  readonly tags: readonly [string, ...string[]];
  /** Its folder below docker/. */
  readonly folder: string;
}

/** The images among the resources, by name. */
export function imagesIn(resources: readonly Declared[]): StackImage[] {
  const declared = resources.filter(({ type }) => type === IMAGE).sort((one, other) => (one.name < other.name ? -1 : 1));
  return declared.map(({ name, inputs: values }) => {
    const inputs = values as unknown as Inputs;
    const [first = "", , ...others] = inputs.tags ?? [];
    return {
      name,
      inputs,
      reference: first.replace(/:[^:/]*$/, `@${digestOf(name)}`),
      tags: [first, ...others],
      folder: path.basename(inputs.context?.location ?? "").replace(/-[0-9a-f]{12}$/, ""),
    };
  });
}

/** Name of the file next to docker-bake.json with the certificates that builds trust. */
export const CERTIFICATES = "certificates.pem";

/** The PEM certificates that the builds trust; empty if there are none. */
export function certificatesOf(resources: readonly Declared[]): string {
  return imagesIn(resources).map(({ inputs }) => inputs.secrets?.ca ?? "").find((one) => one !== "") ?? "";
}

function cache({ registry }: Pick<NonNullable<Inputs["cacheTo"]>[number], "registry">): string {
  const { ref, mode, imageManifest, ociMediaTypes, ignoreError } = registry ?? { ref: "" };
  const options = { type: "registry", ref, mode, "image-manifest": imageManifest, "oci-mediatypes": ociMediaTypes, "ignore-error": ignoreError };
  return Object.entries(options).filter(([, value]) => value !== undefined).map(([key, value]) => `${key}=${String(value)}`).join(",");
}

/** One build. Another image of the stack in a build argument becomes a link to its target, so that bake builds it first. */
function target({ inputs, tags, folder }: StackImage, names: ReadonlyMap<string, string>): object {
  const { buildArgs = {}, cacheFrom = [], cacheTo = [], platforms, secrets } = inputs;
  const linked = Object.values(buildArgs).flatMap((value) => names.get(value) ?? []);
  return {
    context: path.posix.join(SOURCES, folder),
    contexts: Object.fromEntries(linked.map((name) => [name, `target:${name}`])),
    args: Object.fromEntries(Object.entries(buildArgs).map(([key, value]) => [key, names.get(value) ?? value])),
    tags,
    platforms,
    secret: secrets === undefined ? [] : [`id=ca,src=${CERTIFICATES}`],
    "cache-from": cacheFrom.map(cache),
    "cache-to": cacheTo.map(cache),
    // Provenance holds the time of the build, so the same image would get another digest.
    attest: ["type=provenance,disabled=true"],
    output: ["type=registry"],
  };
}

/** docker-bake.json with a target per image, in the default group all of them. Its contexts lie beside it, as in the checkout. */
export function bakeFile(resources: readonly Declared[]): object {
  const images = imagesIn(resources);
  const names = new Map(images.map(({ reference, name }) => [reference, name]));
  return {
    group: { default: { targets: images.map(({ name }) => name) } },
    target: Object.fromEntries(images.map((image) => [image.name, target(image, names)])),
  };
}
