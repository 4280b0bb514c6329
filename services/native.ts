/** What a worker without torch takes from the host: its Python environment, read-only. */
import * as path from "node:path";
import type * as docker from "@pulumi/docker";
import type { ServiceNeeds } from "../images/catalog";
import type { Settings } from "../settings";

/** Where a container finds the host's environment. */
const PLACE = "/app/.bollyenv";

export interface NativeEnvironment {
  readonly mounts: docker.types.input.ContainerMount[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The mount of the environment and the variables by which Python finds it, for a stage with a model in a stack of slim
 * images. The image's own programs and the package all stages share come first.
 */
export function nativeEnvironment(
  { variant, native }: Pick<Settings, "variant" | "native">,
  needs: ServiceNeeds,
): NativeEnvironment | undefined {
  if (variant !== "cuda-slim" || native.environment === undefined || needs.gpuMemoryMegabytes === undefined) return undefined;
  return {
    mounts: [{ type: "bind", source: path.resolve(native.environment), target: PLACE, readOnly: true }],
    environment: {
      EXECUTION_MODE: "native",
      PATH: `/opt/venv/bin:${PLACE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      PYTHONPATH: `/opt/cp-whisperx:${PLACE}/lib/python3.11/site-packages`,
    },
  };
}
