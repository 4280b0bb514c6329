/** The models of the hub: docker/prefetch/models.json names and pins them, this module says which ones a stack fetches. */
import list from "../docker/prefetch/models.json";
import { VARIANTS, type Variant } from "../variants";

/** One repository of the hub, as far as the program reads it; the prefetch reads the rest. */
export interface HubModel {
  readonly repository: string;
  /** A commit, or a branch that is looked up once. */
  readonly revision: string;
  /** Stages that use it. */
  readonly stages: readonly string[];
  /** Whether they need torch for it, which not every variant has. */
  readonly torch: boolean;
  /** What it takes in the model cache. */
  readonly megabytes: number;
}

export const hubModels: readonly HubModel[] = list;

/** The models that the stages of a variant can use, without those that are left out. */
export function wantedHubModels(variant: Variant, leaveOut: readonly string[]): HubModel[] {
  return hubModels.filter(({ repository, torch }) => (!torch || VARIANTS[variant].torch !== "none") && !leaveOut.includes(repository));
}
