/** Which inputs of a resource differ from those that it was deployed with. */
import * as pulumi from "@pulumi/pulumi";
import type { Inputs } from "./change";

/** A value that only the deployment will know, or that holds one. Secrets are outputs in a hook: none is looked into. */
export function isOpen(value: unknown): boolean {
  if (pulumi.isUnknown(value)) return true;
  if (pulumi.Output.isInstance(value) || typeof value !== "object" || value === null) return false;
  return Object.values(value).some(isOpen);
}

/**
 * Whether a deployed value is what is asked for. The deployed one may say more, for providers fill in defaults, and may have
 * another order, for providers keep sets.
 */
export function meets(deployed: unknown, asked: unknown): boolean {
  if (pulumi.isUnknown(asked)) return false;
  if (pulumi.Output.isInstance(asked)) return true;
  if (asked === undefined || asked === null) return deployed === undefined || deployed === null;
  if (Array.isArray(asked)) {
    const found: readonly unknown[] = Array.isArray(deployed) ? deployed : [];
    return found.length === asked.length && asked.every((wanted) => found.some((one) => meets(one, wanted)));
  }
  if (typeof asked !== "object") return deployed === asked;
  if (typeof deployed !== "object" || deployed === null) return false;
  return differences(deployed as Inputs, asked as Inputs).length === 0;
}

/** The names of the inputs that differ. What the new ones leave out the provider chooses, and notes as __defaults. */
export function differences(deployed: Inputs, asked: Inputs): string[] {
  return Object.keys(asked).filter((key) => key !== "__defaults" && !meets(deployed[key], asked[key]));
}

/** A value for people; short. */
export function shown(value: unknown): string {
  if (value === undefined) return "unset";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
