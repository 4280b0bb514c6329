/** The state that every whole-stack test starts from, with a double of `make up` that records what it deploys. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { services, Stack } from "./stack/stack";

let root: string;
let stack: Stack;

const deployments = (): string[] => readFileSync(path.join(root, "deployed"), "utf8").split("\n").slice(0, -1);

/** The containers' state in the engine. */
function report(state: string, but: Readonly<Record<string, string>> = {}): void {
  const lines = services.map((service) => `/${stack.containerName(service)} ${but[service] ?? state}\n`);
  writeFileSync(path.join(root, "engine"), lines.join(""));
}

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "stack-state-test-"));
  mkdirSync(path.join(root, "checkout"));
  writeFileSync(path.join(root, "docker"), `#!/bin/sh\ncat '${root}/engine'\n`, { mode: 0o755 });
  writeFileSync(path.join(root, "checkout", "Makefile"), "up:\n\tcat sources >>../deployed\n\ttest ! -e ../broken\n");
  writeFileSync(path.join(root, "checkout", "sources"), "original\n");
  writeFileSync(path.join(root, "deployed"), "");
  vi.stubEnv("PATH", `${root}:${process.env.PATH ?? ""}`);
  stack = new Stack({ root, checkout: path.join(root, "checkout"), environment: {}, firstUp: { output: "", seconds: 0, changed: "" } });
  report("running healthy");
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

it("is up to date: deploys nothing", async () => {
  await stack.ensureDeployed();
  expect(deployments()).toEqual([]);
});

it.each(["running unhealthy", "running starting", "exited unhealthy", "paused healthy"])("is not up to date if a container is %s", async (state) => {
  report("running healthy", { asr: state });
  expect(await stack.unhealthy()).toEqual(["asr"]);
  await stack.ensureDeployed();
  expect(deployments()).toEqual(["original"]);
});

it("is up to date after an edit was deployed, until the edits are undone", async () => {
  stack.edit("sources", () => "edited\n");
  await stack.make("up");
  await stack.ensureDeployed();
  expect(deployments()).toEqual(["edited"]);
  expect(stack.isEdited).toBe(true);
  await stack.restore();
  expect(deployments()).toEqual(["edited", "original"]);
  expect(stack.isEdited).toBe(false);
});

it("is not up to date after an edit that was not deployed, or not successfully", async () => {
  stack.edit("sources", () => "first\n");
  stack.edit("sources", () => "second\n");
  writeFileSync(path.join(root, "broken"), "");
  await expect(stack.make("up")).rejects.toThrow(/^make up .*: expected to succeed, exit 2 /);
  await expect(stack.ensureDeployed()).rejects.toThrow("expected to succeed");
  rmSync(path.join(root, "broken"));
  await stack.ensureDeployed();
  expect(deployments()).toEqual(["second", "original", "original"]);
  await stack.ensureDeployed();
  expect(deployments()).toHaveLength(3);
});
