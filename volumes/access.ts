import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import type { Identity } from "./identities";

/** What a container is given of a volume or of folders of the host. */
export interface Access {
  readonly mounts: docker.types.input.ContainerMount[];
  /** What points to the mounts. */
  readonly environment: Readonly<Record<string, string>>;
  /** What tells the mounted things from others made later, where they may vanish: a container keeps what was removed. */
  readonly identities: readonly Identity[];
  /** What must be done before the container starts. */
  readonly ready: readonly pulumi.Resource[];
}
