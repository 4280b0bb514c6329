/** What the engine lost since the last deployment. */
import * as pulumi from "@pulumi/pulumi";
import { deployedOutputs } from "./machine";

/**
 * Warns in a preview of deployed services that do not run. Pulumi compares the program with its state, in which they still do, and would
 * call them unchanged.
 *
 * @param running names of the stack's containers that run; undefined if no engine says so, which is no reason to warn.
 */
export async function warnOfLostServices(stack: string, running: readonly string[] | undefined): Promise<void> {
  // A deployment shows what it makes.
  if (running === undefined || !pulumi.runtime.isDryRun()) return;
  const { services = {} } = await deployedOutputs(stack);
  const lost = Object.entries(services).filter(([, { container }]) => !running.includes(container)).map(([name]) => name);
  if (lost.length === 0) return;
  const fix = `make up STACK=${stack}, or pulumi up --refresh --stack ${stack}`;
  await pulumi.log.warn(`Not running: ${lost.join(", ")}. Pulumi does not see that without a refresh; fix: ${fix}`);
}
