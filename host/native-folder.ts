import * as path from "node:path";
import type { Settings } from "../settings";
import { VARIANTS } from "../variants";

/** The folder on the engine's host, where slim images take torch from one. */
export function nativeFolder({ variant, native }: Pick<Settings, "variant" | "native">): string | undefined {
  return VARIANTS[variant].torch === "host" && native.environment !== undefined ? path.resolve(native.environment) : undefined;
}
