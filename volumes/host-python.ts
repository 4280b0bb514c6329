/** What a worker without torch takes from the host: its Python environment, read-only. */
import type * as docker from "@pulumi/docker";
import type { ServiceNeeds } from "../images/catalog";
import { nativeFolder } from "../host/native-folder";
import type { Settings } from "../settings";

/** Where a container finds the host's environment. */
const PLACE = "/app/.bollyenv";
/** Where an environment has its packages. */
const PACKAGES = "lib/python3.11/site-packages";

export interface NativeEnvironment {
  readonly mounts: docker.types.input.ContainerMount[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The mount of the environment and the variables by which Python finds it, for a stage with a model in a stack of slim
 * images. The image's own programs and packages come first: they are of the versions it was built and tested with.
 */
export function nativeEnvironment(
  settings: Pick<Settings, "variant" | "native">,
  needs: ServiceNeeds,
): NativeEnvironment | undefined {
  const folder = nativeFolder(settings);
  if (folder === undefined || needs.gpuMemoryMegabytes === undefined) return undefined;
  return {
    mounts: [{ type: "bind", source: folder, target: PLACE, readOnly: true }],
    environment: {
      EXECUTION_MODE: "native",
      PATH: `/opt/venv/bin:${PLACE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      PYTHONPATH: `/opt/cp-whisperx:/opt/venv/${PACKAGES}:${PLACE}/${PACKAGES}`,
    },
  };
}
