/** What a run of the program is for. */
import * as pulumi from "@pulumi/pulumi";

/** Whether only images are built, as by `make build`. */
export function buildsOnly(): boolean {
  return process.env.CP_WHISPERX_BUILD === "yes";
}

/** Whether this run starts services. If not, it creates nothing on the engine's host. */
export function startsServices(): boolean {
  return !pulumi.runtime.isDryRun() && !buildsOnly();
}
