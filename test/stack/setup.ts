import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import type { TestProject } from "vitest/node";
import { Home } from "../hosts/home";
import { command, docker, OUTPUTS } from "./command";
import { CHANGED, copyCheckout, STACK } from "./stack";

const SETTINGS = `config:
  cp-whisperx:namespace: ${STACK}
  cp-whisperx:films:
    config: samples/config
`;

async function git(folder: string, ...args: string[]): Promise<string> {
  return (await command("git", args, { cwd: folder })).stdout;
}

/** Removes the stack's objects from the engine. Networks and volumes have no label of the stack. */
async function removeFromEngine(): Promise<void> {
  const remove = async (list: readonly string[], filter: string, removal: readonly string[]): Promise<void> => {
    const { stdout } = await docker([...list, "--filter", filter, "--quiet"]);
    const found = stdout.split("\n").filter((id) => id !== "");
    if (found.length > 0) await docker([...removal, ...found]);
  };
  await remove(["ps", "--all"], `label=cp-whisperx.stack=${STACK}`, ["rm", "--force"]);
  await remove(["network", "ls"], `name=^cp-whisperx-${STACK}-`, ["network", "rm"]);
  await remove(["volume", "ls"], `name=^cp-whisperx-${STACK}-`, ["volume", "rm"]);
}

/** Brings the stack up from a copy of the checkout, with `make up` as a user would, and removes it afterwards. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const root = path.resolve("build", "whole-stack-test");
  const clean = async (): Promise<void> => {
    if ((await docker(["version"], { expected: "either" })).code === 0) await removeFromEngine();
    await new Home(path.join(root, "home")).remove();
    rmSync(root, { recursive: true, force: true });
  };
  // Leftovers of an earlier run that was killed.
  await clean();
  rmSync(OUTPUTS, { recursive: true, force: true });
  const checkout = path.join(root, "checkout");
  const state = path.join(root, "state");
  mkdirSync(state, { recursive: true });
  await copyCheckout(process.cwd(), checkout);
  writeFileSync(path.join(checkout, `Pulumi.${STACK}.yaml`), SETTINGS);
  await git(checkout, "init", "--quiet");
  await git(checkout, "add", "--all");
  const environment = {
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
  };
  const env = { ...process.env, ...environment };
  const firstUp = await command("make", ["up", `STACK=${STACK}`], { cwd: checkout, env, show: true });
  const changed = await git(checkout, ...CHANGED);
  project.provide("stack", { root, checkout, environment, firstUp: { output: firstUp.output, seconds: firstUp.seconds, changed } });
  return clean;
}
