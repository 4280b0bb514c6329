/** The models of the hub: docker/prefetch/models.json names and pins them, this module selects those that a stack downloads. */
import list from "../docker/prefetch/models.json";
import { VARIANTS, type Variant } from "../variants";

/** One repository of the hub. Only the fields that this program reads; docker/prefetch reads the others. */
export interface HubModel {
  readonly repository: string;
  /** A commit, or a branch that is resolved once. */
  readonly revision: string;
  /** Stages that use it. */
  readonly stages: readonly string[];
  /** Whether it needs torch, which not every variant has. */
  readonly torch: boolean;
  /** Disk space in the model cache, in MB. */
  readonly megabytes: number;
}

export const hubModels: readonly HubModel[] = list;

/** The models that the stages of a variant can use, except those in `leaveOut`. */
export function wantedHubModels(variant: Variant, leaveOut: readonly string[]): HubModel[] {
  return hubModels.filter(({ repository, torch }) => (!torch || VARIANTS[variant].torch !== "none") && !leaveOut.includes(repository));
}
