import type { Engine } from "../host/engine";
import type { Images } from "../images";
import type { Settings } from "../settings";
import type { Identities } from "./identities";

/** What volumes are made from. */
export interface VolumesArgs {
  readonly settings: Settings;
  readonly engine: Engine;
  readonly images: Images;
  readonly identities: Identities;
  /** PEM certificates that downloads of models trust beside the image's own; may be empty. */
  readonly certificates: string;
}
