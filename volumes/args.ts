import type { Engine } from "../host/engine";
import type { Images } from "../images";
import type { Settings } from "../settings";
import type { Identities } from "./identities";

/** What the volumes need. */
export interface VolumesArgs {
  /** Names the stack, the film folders, the containers' user, the models and the secrets. */
  readonly settings: Settings;
  /** The engine that holds the volumes. */
  readonly engine: Engine;
  /** The built images; the volumes are filled with `models`, `prefetch`, `base` and `queue`. */
  readonly images: Images;
  /** Identities of the volumes and film folders. Example: `await readIdentities(engine, facts.volumes, settings)`. */
  readonly identities: Identities;
  /** PEM certificates that model downloads trust in addition to the image's. Example: `""` for none. */
  readonly certificates: string;
}
