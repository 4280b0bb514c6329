/** The host's Python environment, mounted read-only into workers whose images have no torch. */
import { nativeFolder } from "../host/native-folder";
import type { Settings } from "../settings";
import type { Access } from "./access";

/** Where a container finds the host's environment. */
const PLACE = "/app/.bollyenv";
/** Folder of the packages in an environment. */
const PACKAGES = "lib/python3.11/site-packages";

/**
 * The mount of the environment and the variables by which Python finds it, for the stages that use torch. The image's own
 * programs and packages come first, because the stages were tested with their versions. Undefined unless the variant uses the
 * host's torch.
 */
export function hostPython(settings: Pick<Settings, "variant" | "native">): Access | undefined {
  const folder = nativeFolder(settings);
  if (folder === undefined) return undefined;
  return {
    mounts: [{ type: "bind", source: folder, target: PLACE, readOnly: true }],
    environment: {
      EXECUTION_MODE: "native",
      PATH: `/opt/venv/bin:${PLACE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      PYTHONPATH: `/opt/cp-whisperx:/opt/venv/${PACKAGES}:${PLACE}/${PACKAGES}`,
    },
    identities: [],
    ready: [],
  };
}
