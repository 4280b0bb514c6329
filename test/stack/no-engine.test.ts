/** Real previews of the real program on a machine without an answering engine, or with another docker context. */
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command } from "./command";
import { services, Stack } from "./stack";

const stack = new Stack();
/** No engine, and no builder. */
const NOWHERE = { DOCKER_HOST: "unix:///nowhere", BUILDX_CONFIG: "/nowhere" };

let folder: string;
beforeAll(() => { folder = mkdtempSync(path.join(tmpdir(), "no-engine-")); });
afterAll(() => { rmSync(folder, { recursive: true }); });

interface Preview {
  readonly steps: { readonly op: string; readonly urn: string; readonly newState?: { readonly inputs?: { readonly host?: string } } }[];
  readonly diagnostics: { readonly severity: string; readonly message: string }[];
}

describe("a preview of stack gpu, which was never deployed", () => {
  let backend: Record<string, string>;
  const file = stack.path("Pulumi.gpu.yaml");
  const settings = readFileSync(file, "utf8");
  beforeAll(async () => {
    appendFileSync(file, "\n  cp-whisperx:registry: 127.0.0.1:1\n");
    mkdirSync(path.join(folder, "state"));
    backend = { PULUMI_BACKEND_URL: `file://${folder}/state`, PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex") };
    await stack.run("pulumi", ["stack", "init", "gpu", "--non-interactive"], { env: backend });
  });

  // Pulumi has added a salt.
  afterAll(() => { writeFileSync(file, settings); });

  async function warnings(env: Record<string, string>): Promise<string> {
    const args = ["preview", "--stack", "gpu", "--json", "--non-interactive"];
    const { stdout } = await stack.run("pulumi", args, { env: { ...backend, ...env } });
    const { steps, diagnostics } = JSON.parse(stdout) as Preview;
    expect(new Set(steps.map(({ op }) => op))).toEqual(new Set(["create"]));
    const containers = steps.filter(({ urn }) => urn.includes("docker:index/container:Container::"));
    expect(containers.map(({ urn }) => urn.split("::").at(-1)).sort()).toEqual([...services].sort());
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    return diagnostics.map(({ message }) => message).join("\n");
  }

  it("shows the whole plan if there is no engine, no builder and no registry", async () => {
    const shown = await warnings(NOWHERE);
    expect(shown).toMatch(/cannot be deployed yet:\n\n {2}The engine of this machine does not answer: .*nowhere.*; fix: /);
    expect(shown).toContain("The registry 127.0.0.1:1");
  });

  it("shows it if the engine hangs, and warns that it gave no answer", async () => {
    const socket = path.join(folder, "hanging.sock");
    const server = createServer();
    await new Promise<void>((listening) => server.listen(socket, listening));
    try {
      expect(await warnings({ DOCKER_HOST: `unix://${socket}`, PREFLIGHT_LIMITS: "3" })).toContain("The engine of this machine gave no answer in 3 s");
    } finally {
      server.close();
    }
  });
});

describe("a preview of the deployed stack", () => {
  it("assumes that nothing changed if there is no engine", async () => {
    expect(await stack.preview({ env: NOWHERE })).toMatchObject({ images: [], containers: [], others: ["pulumi:providers:docker engine"] });
  });

  it("follows docker's context, and replaces nothing if the same engine has another address", async () => {
    const socket = path.join(folder, "docker.sock");
    const env = { DOCKER_CONFIG: path.join(folder, "config"), DOCKER_CONTEXT: "mine" };
    symlinkSync("/var/run/docker.sock", socket);
    await command("docker", ["context", "create", "mine", "--docker", `host=unix://${socket}`], { env: { ...process.env, DOCKER_CONFIG: env.DOCKER_CONFIG } });
    const { stdout } = await stack.pulumi(["preview", "--json"], { env });
    const changes = (JSON.parse(stdout) as Preview).steps.filter(({ op }) => op !== "same");
    expect(changes).toMatchObject([
      { op: "update", urn: expect.stringMatching(/::pulumi:providers:docker::engine$/) as string, newState: { inputs: { host: `unix://${socket}` } } },
    ]);
  });
});
