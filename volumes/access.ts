import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import type { Identity } from "./identities";

/** A container's access to a volume or to folders of the host. */
export interface Access {
  readonly mounts: docker.types.input.ContainerMount[];
  /** Variables with the mounts' paths. Example: `{ MODEL_CACHE: "/models" }`. */
  readonly environment: Readonly<Record<string, string>>;
  /** Identities of the mounts. If one changes, the container is replaced: it would go on using the removed volume or folder. */
  readonly identities: readonly Identity[];
  /** Resources that must be created before the container starts. */
  readonly ready: readonly pulumi.Resource[];
}
