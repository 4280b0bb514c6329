/** The stack on the second machine, as the tests see it. */
import { appendFileSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { inject } from "vitest";
import { command, docker, type CommandOptions, type CommandResult } from "../stack/command";
import { SAMPLE, services } from "../stack/stack";
import { HOST, REGISTRY, USERNAME } from "./machine";

/**
 * The images' variant. Slim images fit into a test run because of the existing build cache. Set SECOND_MACHINE_VARIANT to
 * test another one with a cold build, such as the ten gigabytes of cuda.
 */
export const VARIANT = process.env.SECOND_MACHINE_VARIANT ?? "cuda-slim";
/** The repository's stack with this variant: the source of the stack file and of the section in docs/sizes.md. */
export const USERS_STACK = VARIANT === "cuda" ? "gpu" : "native";

/** Unique names: the tests check that this machine has nothing with them. */
export const STACK = "second-machine-test";
export const NAMESPACE = STACK;

/** The setup's data for the tests. */
export interface RemoteStack {
  /** Folder for everything that the tests create. */
  readonly folder: string;
  /** Copy of the checkout, below it. */
  readonly checkout: string;
  /** The text of the initial stack file. */
  readonly settings: string;
  /** The folder with the second machine's own files, below it. */
  readonly machine: string;
  /** The registry's password, a key that becomes a secret file, and a token for the hub's gated models. */
  readonly password: string;
  readonly apiKey: string;
  readonly token: string;
  /** The development environment's Python. */
  readonly python: string;
  readonly environment: Record<string, string>;
}

declare module "vitest" {
  export interface ProvidedContext {
    remote: RemoteStack;
  }
}

/** A container's request in the records of NVIDIA's hook. */
export interface GpuRequest {
  readonly call: readonly string[];
  readonly devices: string | null;
  readonly capabilities: string | null;
}

export class Remote {
  private readonly under = inject("remote");

  get secrets(): { password: string; apiKey: string; token: string } {
    const { password, apiKey, token } = this.under;
    return { password, apiKey, token };
  }

  get python(): string {
    return this.under.python;
  }

  /** File with all of Pulumi's output in these tests. */
  get said(): string {
    return this.path("pulumi.log");
  }

  /** The stack file. */
  get settings(): string {
    return path.join(this.under.checkout, `Pulumi.${STACK}.yaml`);
  }

  /** A file of this machine, below the tests' folder. */
  path(...parts: string[]): string {
    return path.join(this.under.folder, ...parts);
  }

  /** A file of the second machine, by its path there. */
  there(file: string): string {
    return path.join(this.under.machine, file);
  }

  get sample(): string {
    return path.join(this.under.checkout, "samples");
  }

  containerName(service: string): string {
    return `cp-whisperx-${STACK}-${service}`;
  }

  async pulumi(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = { ...process.env, ...this.under.environment };
    const all = [...args, "--stack", STACK, "--non-interactive"];
    return this.recorded(command("pulumi", all, { cwd: this.under.checkout, env, ...options }));
  }

  /** Saves a command's output for the test that looks for secrets. */
  private async recorded(running: Promise<CommandResult>): Promise<CommandResult> {
    const result = await running;
    appendFileSync(this.said, result.output);
    return result;
  }

  /** Sets settings by their paths. */
  async configure(settings: Readonly<Record<string, string>>, secrets: Readonly<Record<string, string>> = {}): Promise<void> {
    const plain = Object.entries(settings).flatMap(([key, value]) => ["--plaintext", `cp-whisperx:${key}=${value}`]);
    if (plain.length > 0) await this.pulumi(["config", "set-all", "--path", ...plain]);
    for (const [key, value] of Object.entries(secrets)) await this.pulumi(["config", "set", "--path", "--secret", key], { input: value });
  }

  /** Runs something with changed settings; restores the stack file afterwards. */
  async withSettings<T>(work: () => Promise<T>): Promise<T> {
    const before = readFileSync(this.settings);
    return work().finally(() => { writeFileSync(this.settings, before); });
  }

  /** Deploys the stack with its initial settings if a service is not healthy. */
  async ensureDeployed(): Promise<void> {
    const healthy = await this.names(["ps", "--filter", "health=healthy"], "there");
    if (healthy.length === services.length) return;
    writeFileSync(this.settings, this.under.settings);
    await this.up();
  }

  async up(args: readonly string[] = [], options: CommandOptions = {}): Promise<CommandResult> {
    return this.pulumi(["up", "--yes", "--skip-preview", ...args], options);
  }

  /** A docker command on the second machine's engine. */
  async docker(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = { ...process.env, ...this.under.environment, DOCKER_HOST: HOST };
    return docker(args, { env, ...options });
  }

  /** Measures the images in the copy of the checkout; returns its docs/sizes.md. @throws Error if they are too large. */
  async weighed(outputs: string): Promise<string> {
    const environment = { ...process.env, ...this.under.environment, DOCKER_HOST: HOST, SSL_CERT_FILE: this.path("certificates.pem") };
    // A separate docker login: the stack needs none.
    const login = Buffer.from(`${USERNAME}:${this.under.password}`).toString("base64");
    mkdirSync(this.path("weighing"), { recursive: true });
    writeFileSync(this.path("weighing", "config.json"), JSON.stringify({ auths: { [REGISTRY]: { auth: login } } }));
    cpSync(path.join(this.under.environment.DOCKER_CONFIG ?? "", "cli-plugins"), this.path("weighing", "cli-plugins"), { recursive: true });
    const write = ["--no-install", "ts-node", "bench/write-sizes.ts", USERS_STACK];
    await command("npx", write, { cwd: this.under.checkout, env: { ...environment, DOCKER_CONFIG: this.path("weighing") }, input: outputs });
    return readFileSync(path.join(this.under.checkout, "docs", "sizes.md"), "utf8");
  }

  /** The stack's names in a listing of this engine or of the second machine's. */
  async names(list: readonly string[], where: "here" | "there"): Promise<string[]> {
    const args = [...list, "--filter", `name=^cp-whisperx-${STACK}-`, "--format", list[0] === "ps" ? "{{.Names}}" : "{{.Name}}"];
    const { stdout } = where === "here" ? await docker(args) : await this.docker(args);
    return stdout.split("\n").filter((name) => name !== "").sort();
  }

  /** The engine's requests to NVIDIA's hook, by service; only containers that requested a GPU. */
  async gpuRequests(): Promise<Record<string, GpuRequest>> {
    const label = '{{.ID}} {{.Label "cp-whisperx.service"}}';
    const { stdout } = await this.docker(["ps", "--no-trunc", "--filter", `label=cp-whisperx.stack=${STACK}`, "--format", label]);
    const services = new Map(stdout.trim().split("\n").map((line) => line.split(" ")).map(([id = "", service = ""]) => [id, service]));
    const notes = this.there("var/log/nvidia-requests");
    mkdirSync(notes, { recursive: true });
    const found = readdirSync(notes).flatMap((file) => {
      const service = services.get(path.basename(file, ".json"));
      return service === undefined ? [] : [[service, JSON.parse(readFileSync(path.join(notes, file), "utf8")) as GpuRequest] as const];
    });
    return Object.fromEntries(found);
  }

  async logs(service: string): Promise<string> {
    return (await this.docker(["logs", this.containerName(service)])).output;
  }

  /** Copies the sample film there and subtitles it; does not repeat finished work. */
  async subtitle(): Promise<void> {
    copyFileSync(path.join(this.sample, SAMPLE), this.there(`srv/films/in/${SAMPLE}`));
    cpSync(path.join(this.sample, "config"), this.there("srv/films/config"), { recursive: true });
    await this.application(["submit", "--wait", SAMPLE]);
  }

  /** The file of the only job there with this path ending. */
  result(end: string): string {
    const files = readdirSync(this.there("srv/films/out"), { recursive: true, encoding: "utf8" });
    const found = files.find((file) => file.endsWith(end));
    if (found === undefined) throw new Error(`there is no ${end} in ${files.join(", ")}`);
    return readFileSync(this.there(`srv/films/out/${found}`), "utf8");
  }

  /** Runs make for that stack. */
  async make(args: readonly string[]): Promise<CommandResult> {
    const env = { ...process.env, ...this.under.environment, CP_WHISPERX_HOME: this.path("home") };
    return this.recorded(command("make", [...args, `STACK=${STACK}`], { cwd: this.under.checkout, env }));
  }

  /** The command line of the application, as it runs in a container there. */
  async application(args: readonly string[]): Promise<CommandResult> {
    return this.docker(["exec", this.containerName("demux"), "python", "-m", "cp_whisperx", ...args]);
  }
}
