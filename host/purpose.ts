/** What a run of the program is for. */
import * as pulumi from "@pulumi/pulumi";

/** Whether images alone are targeted, as by `make build`. */
export function buildsOnly(): boolean {
  return process.env.CP_WHISPERX_BUILD === "yes";
}

/** Whether this run starts services. Where it does not, nothing is made on the engine's host. */
export function startsServices(): boolean {
  return !pulumi.runtime.isDryRun() && !buildsOnly();
}
