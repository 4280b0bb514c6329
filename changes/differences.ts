/** Compares inputs of a resource with those that it was deployed with. */
import * as pulumi from "@pulumi/pulumi";
import type { Inputs } from "./change";

/** Whether a value is, or contains, one that is unknown until the deployment. Does not look into secrets: they are outputs in a hook. */
export function containsUnknown(value: unknown): boolean {
  if (pulumi.isUnknown(value)) return true;
  if (pulumi.Output.isInstance(value) || typeof value !== "object" || value === null) return false;
  return Object.values(value).some(containsUnknown);
}

/**
 * Whether a deployed value equals the new one. It may have additional keys, because providers fill in defaults, and another
 * order of lists, because providers treat them as sets.
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

/** The names of the inputs that differ. Inputs that are not set are ignored: the provider chooses them, and lists them in __defaults. */
export function differences(deployed: Inputs, asked: Inputs): string[] {
  return Object.keys(asked).filter((key) => key !== "__defaults" && !meets(deployed[key], asked[key]));
}

/** The new inputs, with those that were removed as undefined. Only for the old inputs: outputs contain values that nobody set. */
export function withRemoved(oldInputs: Inputs, newInputs: Inputs): Inputs {
  return { ...Object.fromEntries(Object.keys(oldInputs).map((key) => [key, undefined])), ...newInputs };
}

/** A value as text of at most 80 characters. */
export function shown(value: unknown): string {
  if (value === undefined) return "unset";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
