/** What a deployment changes, as data. */

/** Kinds of resources that a person asks about, by their type in Pulumi. */
export const KINDS = {
  "docker-build:index:Image": "images",
  "docker:index/container:Container": "containers",
  "docker:index/volume:Volume": "volumes",
  "docker:index/network:Network": "networks",
  "command:local:Command": "commands",
} as const;
export type Kind = (typeof KINDS)[keyof typeof KINDS];

/** The kind of a resource; undefined where nobody asks about its type. */
export function kindOf(type: string): Kind | undefined {
  return (KINDS as Readonly<Record<string, Kind>>)[type];
}

export type Inputs = Readonly<Record<string, unknown>>;

/** Why a resource changes: an input that differs, or that only the deployment will know. */
export interface Reason {
  /** Such as `own sources`, `parent base-ml` or `setting LOG_LEVEL`. */
  readonly text: string;
  /** False where the input may turn out the same. */
  readonly certain: boolean;
  /** What there is to say beside it on request: old and new value, files, packages. */
  readonly details?: readonly string[];
}

export interface Change {
  readonly kind: Kind;
  readonly name: string;
  readonly operation: "create" | "replace" | "update" | "remove";
  readonly reasons: readonly Reason[];
  /** Whether it was begun and did not come to its end. */
  readonly failed?: boolean;
}
