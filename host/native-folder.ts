import * as path from "node:path";
import type { Settings } from "../settings";
import { VARIANTS } from "../variants";

/** The absolute folder of the host's Python environment; undefined unless the variant uses the host's torch. */
export function nativeFolder({ variant, native }: Pick<Settings, "variant" | "native">): string | undefined {
  return VARIANTS[variant].torch === "host" && native.environment !== undefined ? path.resolve(native.environment) : undefined;
}
