"use strict";

const assert = require("node:assert/strict");
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const path = require("node:path");
const { after, before, test } = require("node:test");
const host = require("./pulumi-language-nodejs.cjs");

let folder;

const write = (name, content) => {
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  writeFileSync(path.join(folder, name), JSON.stringify(content));
};

before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "language-host-"));
  write("package.json", { dependencies: { "@pulumi/docker": "5.2.0", zod: "4.0.0", missing: "1.0.0" } });
  write("node_modules/@pulumi/docker/package.json", {
    name: "@pulumi/docker",
    version: "5.2.0",
    pulumi: { resource: true, name: "docker" },
  });
  write("node_modules/zod/package.json", { name: "zod", version: "4.0.0" });
});

after(() => rmSync(folder, { recursive: true }));

const request = (overrides = {}) => ({
  getMonitorAddress: () => "127.0.0.1:1",
  getOrganization: () => "organization",
  getProject: () => "project",
  getStack: () => "dev",
  getParallel: () => 8,
  getDryrun: () => false,
  getArgsList: () => [],
  getInfo: () => ({
    getRootDirectory: () => folder,
    getProgramDirectory: () => folder,
    getEntryPoint: () => "index.ts",
    getOptions: () => undefined,
  }),
  getConfigMap: () => ({ toArray: () => [["project:key", "value"]] }),
  getConfigsecretkeysList: () => [],
  ...overrides,
});

test("finds the installed dependencies, from subfolders too", () => {
  assert.deepEqual(host.dependencies(folder).map(({ name }) => name), ["@pulumi/docker", "zod"]);
  assert.deepEqual(host.dependencies(path.join(folder, "node_modules", "..", "src")).map(({ name }) => name), [
    "@pulumi/docker",
    "zod",
  ]);
});

test("converts configuration keys to the SDK's", () => {
  assert.deepEqual(host.sdkConfiguration([["a:b", "1"], ["a:b:c", "2"]]), { "a:config:b": "1", "a:config:b:c": "2" });
});

test("passes on the secret keys of the engine", () => {
  const { PULUMI_CONFIG_SECRET_KEYS } = host.runnerEnvironment(request({ getConfigsecretkeysList: () => ["project:key"] }), {});
  assert.deepEqual(JSON.parse(PULUMI_CONFIG_SECRET_KEYS), ["project:key"]);
});

test("passes the program and the preview flag to the runner", () => {
  const update = host.runnerArguments(request(), "127.0.0.1:2");
  assert.equal(update.at(-1), "index.ts");
  assert.equal(update[update.indexOf("--engine") + 1], "127.0.0.1:2");
  assert.ok(!update.includes("--dry-run"));
  assert.ok(host.runnerArguments(request({ getDryrun: () => true }), "x").includes("--dry-run"));
});

test("takes the argument that is not a flag as the engine's address", () => {
  assert.equal(host.engineArgument(["--tracing=x", "127.0.0.1:3"]), "127.0.0.1:3");
  assert.throws(() => host.engineArgument(["--help"]), /started by pulumi/);
});

/** Ends of a supervised process, as the host would report them. */
const ending = (program, args, act = () => {}) =>
  new Promise((resolve) => {
    const children = new Set();
    const child = host.supervise(children, program, args, { stdio: "ignore" }, (status, problem) =>
      resolve({ status, problem, left: children.size }),
    );
    act(child);
  });

test("reports a program's exit status when it has ended", async () => {
  assert.deepEqual(await ending(process.execPath, ["-e", "process.exit(32)"]), { status: 32, problem: undefined, left: 0 });
});

test("reports a program that cannot start or is killed, with a message", async () => {
  assert.match((await ending("/nowhere/node", [])).problem, /did not start/);
  const { problem } = await ending(process.execPath, ["-e", "setInterval(() => {}, 1000)"], (child) => child.kill("SIGTERM"));
  assert.match(problem, /ended by SIGTERM/);
});
