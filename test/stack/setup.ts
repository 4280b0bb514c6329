import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import type { TestProject } from "vitest/node";
import { command, docker } from "./command";
import { copyCheckout, STACK } from "./stack";

const SETTINGS = `config:
  cp-whisperx:namespace: ${STACK}
  cp-whisperx:films:
    config: samples/config
`;

/** Removes what the engine holds of the stack: containers, networks and volumes, by name. */
async function removeFromEngine(): Promise<void> {
  const remove = async (list: readonly string[], removal: readonly string[]): Promise<void> => {
    const { stdout } = await docker([...list, "--filter", `name=cp-whisperx-${STACK}-`, "--quiet"]);
    const found = stdout.split("\n").filter((id) => id !== "");
    if (found.length > 0) await docker([...removal, ...found]);
  };
  await remove(["ps", "--all"], ["rm", "--force"]);
  await remove(["network", "ls"], ["network", "rm"]);
  await remove(["volume", "ls"], ["volume", "rm"]);
}

/** Brings the stack up from a copy of the checkout, with `make up` as a user would, and removes it afterwards. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  mkdirSync("build", { recursive: true });
  const root = mkdtempSync(path.resolve("build", "whole-stack-test-"));
  const checkout = path.join(root, "checkout");
  const state = path.join(root, "state");
  mkdirSync(state, { recursive: true });
  await copyCheckout(process.cwd(), checkout);
  writeFileSync(path.join(checkout, `Pulumi.${STACK}.yaml`), SETTINGS);
  const environment = {
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
  };
  const env = { ...process.env, ...environment };
  // What an earlier run left behind when it was killed.
  if ((await docker(["version"], { accept: "any" })).code === 0) await removeFromEngine();
  const firstUp = await command("make", ["up", `STACK=${STACK}`], { cwd: checkout, env, show: true, timeoutSeconds: 2400 });
  project.provide("stack", { checkout, environment, firstUp: { output: firstUp.output, seconds: firstUp.seconds } });
  return async () => {
    await removeFromEngine();
    rmSync(root, { recursive: true, force: true });
  };
}
