/** The stack under test: a copy of the checkout, deployed with a separate name, namespace and state. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { inject } from "vitest";
import { MODEL_IMAGES, services as ofCatalog } from "../../catalog";
import { readDefinitions } from "../../images/definitions";
import { stackNodes } from "../../images/plan";
import { command, docker, type CommandOptions, type CommandResult } from "./command";

/** Name of the stack and namespace of its images. Must be unique: the tests remove everything with this name. */
export const STACK = "whole-stack-test";

/** Address of the registry that the toolchain starts. */
export const REGISTRY = `127.0.0.1:${process.env.CP_WHISPERX_REGISTRY_PORT ?? "5000"}`;

/** File name of the sample film in `samples/` and in the films folder. */
export const SAMPLE = "The Missing Letter (2026).mp4";

/** The images that the stack builds. */
export const images = stackNodes(readDefinitions(), { variant: "cpu", images: MODEL_IMAGES.packaged });

export const services = ofCatalog.map(({ name }) => name);

/** Lists the files that differ from the setup's git index. */
export const CHANGED = ["ls-files", "--modified", "--others", "--exclude-standard"];

/** The setup's data for the tests. */
export interface StackUnderTest {
  /** Folder for everything that the tests create. */
  readonly root: string;
  /** Copy of the checkout, below it. */
  readonly checkout: string;
  readonly environment: Record<string, string>;
  /** The first `make up`: its output, its duration, and the files of the checkout that it changed. */
  readonly firstUp: { readonly output: string; readonly seconds: number; readonly changed: string };
}

declare module "vitest" {
  export interface ProvidedContext {
    stack: StackUnderTest;
  }
}

/** One entry of manifest.json. */
export interface StageRecord {
  readonly status: string;
  readonly attempts: number;
  readonly key: string | null;
  readonly reason: string | null;
  readonly seconds: number | null;
  readonly outputs: { readonly path: string; readonly sha256: string }[];
}

/** The changes in a `pulumi preview`, by resource name. */
export interface Changes {
  readonly images: string[];
  readonly containers: string[];
  /** Every other resource that changes, as `type name`. */
  readonly others: string[];
  /** Its closing line. */
  readonly closing: string;
}

/** The deployed image digests and container ids, by name. */
export interface Deployment {
  readonly digests: Readonly<Record<string, string>>;
  readonly containers: Readonly<Record<string, string>>;
}

/** The closing line of a preview or a deployment; empty if there is none. */
export function closingLine(output: string): string {
  return /^\s*(images: .*; volumes: .*)$/m.exec(output)?.[1] ?? "";
}

export class Stack {
  constructor(private readonly under: StackUnderTest = inject("stack")) {}

  get firstUp(): StackUnderTest["firstUp"] {
    return this.under.firstUp;
  }

  /** A file of the checkout. */
  path(...parts: string[]): string {
    return path.join(this.under.checkout, ...parts);
  }

  /** A file next to the checkout. */
  sibling(...parts: string[]): string {
    return path.join(this.under.root, ...parts);
  }

  /** Folder with the original files that a test changed, under the same paths. */
  private get originals(): string {
    return this.sibling("originals");
  }

  /** A file that exists while the checkout may differ from what is deployed. */
  private get undeployed(): string {
    return this.sibling("undeployed");
  }

  containerName(service: string): string {
    return `cp-whisperx-${STACK}-${service}`;
  }

  async run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = { ...process.env, ...this.under.environment, ...options.env };
    return command(program, args, { cwd: this.under.checkout, ...options, env });
  }

  async make(target: string, args: readonly string[] = [], options: CommandOptions = {}): Promise<CommandResult> {
    const result = await this.run("make", [target, `STACK=${STACK}`, ...args], options);
    if (target === "up" && result.code === 0) rmSync(this.undeployed, { force: true });
    return result;
  }

  async pulumi(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.run("pulumi", [...args, "--stack", STACK, "--non-interactive"], options);
  }

  async up(options: CommandOptions = {}): Promise<CommandResult> {
    const result = await this.pulumi(["up", "--yes", "--skip-preview", "--continue-on-error"], options);
    if (result.code === 0) rmSync(this.undeployed, { force: true });
    return result;
  }

  /** Ensures the initial state of every test: the checkout is deployed, and every service is healthy. */
  async ensureDeployed(): Promise<void> {
    if (existsSync(this.undeployed) || (await this.unhealthy()).length > 0) await this.restore();
  }

  /** The services without a running, healthy container. */
  async unhealthy(): Promise<string[]> {
    const names = services.map((service) => this.containerName(service));
    const state = "{{.Name}} {{.State.Status}} {{.State.Health.Status}}";
    const { stdout } = await docker(["inspect", "--format", state, ...names], { expected: "either" });
    return services.filter((service) => !stdout.includes(`/${this.containerName(service)} running healthy\n`));
  }

  get isEdited(): boolean {
    return existsSync(this.originals);
  }

  /** Deploys the checkout as it was before all edits. */
  async restore(): Promise<void> {
    writeFileSync(this.undeployed, "");
    if (this.isEdited) cpSync(this.originals, this.under.checkout, { recursive: true });
    rmSync(this.originals, { recursive: true, force: true });
    await this.make("up");
  }

  /** The changes in a preview. */
  async preview(options: CommandOptions = {}): Promise<Changes> {
    const { stdout } = await this.pulumi(["preview", "--json"], options);
    const { steps, diagnostics = [] } = JSON.parse(stdout) as { steps: { op: string; urn: string }[]; diagnostics?: { message: string }[] };
    const changed = steps
      .filter(({ op }) => !["same", "read"].includes(op))
      .map(({ urn }) => {
        const parts = urn.split("::");
        return { type: (parts[2] ?? "").split("$").at(-1) ?? "", name: parts[3] ?? "" };
      });
    const named = (type: string): string[] =>
      [...new Set(changed.filter((change) => change.type === type).map(({ name }) => name))].sort();
    const [image, container] = ["docker-build:index:Image", "docker:index/container:Container"];
    return {
      images: named(image),
      containers: named(container),
      others: changed.filter(({ type }) => ![image, container].includes(type)).map(({ type, name }) => `${type} ${name}`),
      closing: closingLine(diagnostics.map(({ message }) => message).join("\n")),
    };
  }

  async deployment(): Promise<Deployment> {
    const { stdout } = await this.pulumi(["stack", "output", "--json"]);
    const { images } = JSON.parse(stdout) as { images: Record<string, { digest: string }> };
    const ids = await docker(["ps", "--no-trunc", "--filter", `label=cp-whisperx.stack=${STACK}`, "--format", "{{.Names}} {{.ID}}"]);
    const rows = ids.stdout.trim().split("\n").map((line) => line.split(" "));
    return {
      digests: Object.fromEntries(Object.entries(images).map(([name, { digest }]) => [name, digest])),
      containers: Object.fromEntries(rows.map(([name = "", id = ""]) => [name.replace(`cp-whisperx-${STACK}-`, ""), id])),
    };
  }

  /** Changes a file of the checkout; returns a function that undoes it. `restore` undoes the rest. */
  edit(file: string, change: (content: string) => string): () => void {
    const before = readFileSync(this.path(file), "utf8");
    const after = change(before);
    if (after === before) throw new Error(`${file}: the edit changes nothing`);
    const original = path.join(this.originals, file);
    mkdirSync(path.dirname(original), { recursive: true });
    if (!existsSync(original)) writeFileSync(original, before);
    writeFileSync(this.undeployed, "");
    writeFileSync(this.path(file), after);
    return () => { writeFileSync(this.path(file), before); };
  }

  /** Copies a file into the films folder. */
  addFilm(source: string, name: string): void {
    mkdirSync(this.path("films", "in"), { recursive: true });
    copyFileSync(source, this.path("films", "in", name));
  }

  writeFilm(name: string, content: string | Buffer): void {
    writeFileSync(this.path("films", "in", name), content);
  }

  /** Runs the application's command line in a stage's container. */
  async application(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return docker(["exec", this.containerName("demux"), "python", "-m", "cp_whisperx", ...args], options);
  }

  /** Folders of all jobs on the host, oldest first. */
  jobs(): string[] {
    const out = this.path("films", "out");
    return readdirSync(out, { recursive: true, encoding: "utf8" })
      .filter((name) => path.basename(name) === "job.json" && !name.includes("/."))
      .map((name) => path.join(out, path.dirname(name)))
      .sort();
  }

  /** The job of the first `make up`, with the subtitled sample. */
  sampleJob(): string {
    const job = this.jobs().find((folder) => folder.endsWith("the-missing-letter-2026-1"));
    if (job === undefined) throw new Error("the sample has no job");
    return job;
  }

  manifest(job: string): Readonly<Record<string, StageRecord>> {
    return (JSON.parse(readFileSync(path.join(job, "manifest.json"), "utf8")) as { stages: Record<string, StageRecord> }).stages;
  }

  result(job: string, stage: string): Record<string, unknown> {
    return JSON.parse(readFileSync(path.join(job, stage, "result.json"), "utf8")) as Record<string, unknown>;
  }
}

/** Copies the files that git tracks or would add. */
export async function copySources(source: string, target: string): Promise<void> {
  const { stdout } = await command("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: source });
  for (const file of stdout.split("\0").filter((name) => name !== "" && existsSync(path.join(source, name)))) {
    mkdirSync(path.dirname(path.join(target, file)), { recursive: true });
    cpSync(path.join(source, file), path.join(target, file));
  }
}

/** Copies the sources, and the packages as hard links, so both folders must be on one file system. */
export async function copyCheckout(source: string, target: string): Promise<void> {
  await copySources(source, target);
  await command("cp", ["--archive", "--link", path.join(source, "node_modules"), target]);
}
