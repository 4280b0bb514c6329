/** What a deployment changes, as data. */
import { CONTAINER, VOLUME } from "../host/deployed";

/** The reported kinds of resources, by Pulumi type. */
export const KINDS = {
  "docker-build:index:Image": "images",
  [CONTAINER]: "containers",
  [VOLUME]: "volumes",
  "docker:index/network:Network": "networks",
  "command:local:Command": "commands",
} as const;
export type Kind = (typeof KINDS)[keyof typeof KINDS];

/** The kind of a resource; undefined if its type is not reported. */
export function kindOf(type: string): Kind | undefined {
  return (KINDS as Readonly<Record<string, Kind>>)[type];
}

export type Inputs = Readonly<Record<string, unknown>>;

/** Why a resource changes: an input that differs, or is unknown until the deployment. */
export interface Reason {
  /** Such as `own sources`, `parent base-ml` or `setting LOG_LEVEL`. */
  readonly text: string;
  /** False if the input is unknown, and so may turn out the same. */
  readonly certain: boolean;
  /** Shown on request: old and new value, files, packages. Example: `["INFO -> DEBUG"]`. */
  readonly details?: readonly string[];
}

export interface Change {
  readonly kind: Kind;
  readonly name: string;
  readonly operation: "create" | "replace" | "update" | "remove";
  readonly reasons: readonly Reason[];
  /** Whether it was started but not finished. */
  readonly failed?: boolean;
}
