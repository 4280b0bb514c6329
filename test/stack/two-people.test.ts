/** Two people deploy the stack in turn, each from their own clone. */
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { command, docker, expectOutput, type CommandOptions } from "./command";
import { REGISTRY, services, Stack, STACK } from "./stack";

const stack = new Stack();
const home = stack.sibling("other-person");
const checkout = path.join(home, "cp-whisperx");
const authority = path.join(home, "authority.pem");

/** The first person's settings. */
const file = stack.path(`Pulumi.${STACK}.yaml`);
let original: string;

/** A clone of the deployed checkout with umask 077. */
async function clone(): Promise<void> {
  const repository = path.join(home, "repository.git");
  const work = ["--git-dir", repository, "--work-tree", stack.path(), "-c", "user.name=test", "-c", "user.email=test@localhost"];
  await command("git", ["init", "--quiet", "--bare", repository]);
  await command("git", [...work, "add", "--all"]);
  await command("git", [...work, "commit", "--quiet", "--message", "sources"]);
  await command("sh", ["-c", 'umask 077 && git clone --quiet "$1" "$2"', "sh", repository, checkout]);
  symlinkSync(stack.path("node_modules"), path.join(checkout, "node_modules"));
}

/**
 * Settings as two people share them: registry and base image in the stack file, because each home names its own; films by
 * absolute paths. The certificates are this person's own.
 */
async function configure(): Promise<void> {
  const { config } = parse(original) as { config: Record<string, unknown> };
  const { stdout } = await stack.pulumi(["stack", "output", "baseImages", "--json"]);
  const films = { in: stack.path("films", "in"), out: stack.path("films", "out"), config: stack.path("samples", "config") };
  const shared = { ...config, "cp-whisperx:registry": REGISTRY, "cp-whisperx:baseImages": JSON.parse(stdout) as object, "cp-whisperx:films": films };
  writeFileSync(file, stringify({ config: shared }));
  writeFileSync(path.join(checkout, `Pulumi.${STACK}.yaml`), stringify({ config: { ...shared, "cp-whisperx:certificates": authority } }));
}

/** Pulumi as the other person runs it: with a home without this machine's settings. */
async function pulumi(...args: string[]): ReturnType<Stack["run"]> {
  const env = { HOME: home, CP_WHISPERX_HOME: path.join(home, ".cp-whisperx"), PULUMI_HOME: process.env.PULUMI_HOME ?? path.join(process.env.HOME ?? "/root", ".pulumi") };
  const options: CommandOptions = { cwd: checkout, env: { ...env, SSL_CERT_FILE: authority, TZ: "Asia/Tokyo", LANG: "C", LC_ALL: "C" } };
  return stack.run("sh", ["-c", 'umask 077 && exec pulumi "$@"', "sh", ...args, "--stack", STACK, "--non-interactive"], options);
}

async function containers(): Promise<string> {
  const names = services.map((service) => stack.containerName(service));
  return (await docker(["inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", ...names])).stdout;
}

beforeAll(async () => {
  original = readFileSync(file, "utf8");
  rmSync(home, { recursive: true, force: true });
  await clone();
  const subject = ["-subj", "/CN=Private authority", "-keyout", path.join(home, "key.pem"), "-out", authority];
  await command("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", ...subject]);
  await configure();
});
afterAll(() => {
  writeFileSync(file, original);
  rmSync(home, { recursive: true, force: true });
});

it("another person's up changes nothing: other checkout, umask, home, locale, time zone and private CA", async () => {
  const before = await containers();
  await pulumi("preview", "--expect-no-changes");
  expectOutput(await pulumi("up", "--yes", "--skip-preview"), /Resources:\s+\d+ unchanged\s+Duration/);
  expect(await containers()).toBe(before);
});

it("the first person's up after it changes nothing", async () => {
  await stack.pulumi(["preview", "--expect-no-changes"]);
});
