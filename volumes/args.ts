import type { Engine } from "../host/engine";
import type { Images } from "../images";
import type { Settings } from "../settings";
import type { Identities } from "./identities";

/** What the volumes need. */
export interface VolumesArgs {
  readonly settings: Settings;
  readonly engine: Engine;
  readonly images: Images;
  readonly identities: Identities;
  /** PEM certificates that model downloads trust in addition to the image's; may be empty. */
  readonly certificates: string;
}
