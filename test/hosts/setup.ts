import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import type { TestProject } from "vitest/node";
import { parse, stringify } from "yaml";
import { command } from "../stack/command";
import { copyCheckout, STACK as WHOLE_STACK_TEST } from "../stack/stack";
import { Home } from "./home";
import { HOST, REGISTRY, removeMachine, SecondMachine, USERNAME } from "./machine";
import { NAMESPACE, STACK, USERS_STACK, VARIANT, type RemoteStack } from "./remote";

/** Differences from the repository's stack file of the variant. */
const SETTINGS: Readonly<Record<string, unknown>> = {
  host: HOST,
  registry: REGISTRY,
  namespace: NAMESPACE,
  variant: VARIANT,
  films: { in: "/srv/films/in", out: "/srv/films/out", config: "/srv/films/config" },
  models: { source: "packaged" },
  ...(VARIANT === "cuda-slim" ? { native: { environment: "/srv/bollyenv" } } : {}),
};

/** Copies the build cache of the whole-stack tests from this machine's registry, as hard links, without the images. */
async function copyBuildCache(registry: string, home: Home): Promise<void> {
  const [from, to] = [home.shared, path.dirname(registry)].map((place) => path.join(place, "registry/docker/registry/v2"));
  const repositories = path.join(from ?? "", "repositories", WHOLE_STACK_TEST);
  if (from === undefined || to === undefined || !existsSync(repositories)) return;
  for (const name of readdirSync(repositories)) {
    const target = path.join(to, "repositories", NAMESPACE, name);
    cpSync(path.join(repositories, name), target, { recursive: true });
    const tags = path.join(target, "_manifests", "tags");
    for (const tag of existsSync(tags) ? readdirSync(tags) : []) {
      if (!tag.endsWith("-cache")) rmSync(path.join(tags, tag), { recursive: true });
    }
  }
  // Blobs after the repositories that refer to them: a blob pushed in between has no reference. On another file system the
  // cache stays cold.
  await command("cp", ["--archive", "--link", path.join(from, "blobs"), to], { expected: "either" });
}

/** Certificates for builds and this machine's programs: the system's, and that of the second machine's registry. */
function writeCertificates(file: string, authority: string): void {
  const bundle = "/etc/ssl/certs/ca-certificates.crt";
  writeFileSync(file, `${existsSync(bundle) ? readFileSync(bundle, "utf8") : ""}\n${readFileSync(authority, "utf8")}`);
}

/** Creates the stack; returns the text of its stack file. */
async function configure(stack: Omit<RemoteStack, "settings">, env: NodeJS.ProcessEnv, baseImage: string): Promise<string> {
  const pulumi = async (args: readonly string[], input?: string): Promise<void> => {
    await command("pulumi", [...args, "--stack", STACK, "--non-interactive"], { cwd: stack.checkout, env, input });
  };
  const users = parse(readFileSync(path.join(stack.checkout, `Pulumi.${USERS_STACK}.yaml`), "utf8")) as { config: object };
  const settings = { ...SETTINGS, certificates: path.join(stack.folder, "certificates.pem") };
  const own = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`cp-whisperx:${key}`, value]));
  const file = path.join(stack.checkout, `Pulumi.${STACK}.yaml`);
  writeFileSync(file, stringify({ config: { ...users.config, ...own } }));
  await pulumi(["stack", "init"]);
  await pulumi(["config", "set", "--path", "baseImages.cpu", baseImage]);
  await pulumi(["config", "set", "--path", "registryLogin.username", USERNAME]);
  await pulumi(["config", "set", "--path", "--secret", "registryLogin.password"], stack.password);
  await pulumi(["config", "set", "--secret", "tmdbApiKey"], stack.apiKey);
  return readFileSync(file, "utf8");
}

/** A second machine, a builder that trusts its registry, and a configured stack that was never deployed. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = path.resolve("build", "second-machine");
  const home = new Home(path.join(folder, "home"));
  const clean = async (): Promise<void> => {
    await home.remove();
    await removeMachine(folder);
  };
  await clean();
  mkdirSync(folder, { recursive: true });
  home.prepare();
  const password = randomBytes(12).toString("hex");
  const state = path.join(folder, "state");
  const checkout = path.join(folder, "checkout");
  mkdirSync(state);
  await copyCheckout(process.cwd(), checkout);
  await home.tools("registry");
  await home.tools("sshd", path.join(folder, "sshd"));
  const sshd = path.join(folder, "sshd/usr/sbin/sshd");
  const machine = new SecondMachine({ folder, sshd, registry: home.path("bin", "registry"), password });
  await machine.prepare();
  if (VARIANT === "cuda-slim") {
    await home.tools("environment", machine.path("srv/bollyenv"));
    await copyBuildCache(machine.path("srv/registry"), home);
  }
  await machine.start();
  writeCertificates(path.join(folder, "certificates.pem"), machine.authority);
  // As README.md describes it for such a registry.
  writeFileSync(home.path("registries.toml"), `[registry."${REGISTRY}"]\n  ca = ["${machine.authority}"]\n`);
  await home.tools("builder");
  const stack = {
    folder,
    checkout,
    machine: machine.path(""),
    password,
    apiKey: randomBytes(12).toString("hex"),
    token: `hf_${randomBytes(17).toString("hex")}`,
    python: home.path("python/development/bin/python"),
    environment: {
      PATH: `${machine.programs}:${process.env.PATH ?? ""}`,
      DOCKER_CONFIG: home.dockerConfig,
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
    },
  };
  const baseImage = (await home.tools("base-image")).stdout.trim();
  const settings = await configure(stack, { ...process.env, ...stack.environment }, baseImage);
  project.provide("remote", { ...stack, settings });
  return clean;
}
