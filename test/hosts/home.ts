/** A temporary home next to this machine's: a builder with an empty cache, and this machine's programs. */
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";
import { command, type CommandResult } from "../stack/command";

export class Home {
  /** The toolchain's folder on this machine. */
  readonly shared = process.env.CP_WHISPERX_HOME ?? path.join(homedir(), ".cp-whisperx");

  constructor(private readonly folder: string) {}

  /** The docker client's configuration, without a login. */
  get dockerConfig(): string {
    return path.join(this.folder, "docker");
  }

  /** The environment for commands of the toolchain in this home. The builder runs as a process: the name of its container is taken. */
  get environment(): Record<string, string> {
    return {
      CP_WHISPERX_HOME: this.folder,
      CP_WHISPERX_WRAPPER: this.path("pulumi"),
      DOCKER_CONFIG: this.dockerConfig,
      TOOLCHAIN_SOURCE: "packages",
    };
  }

  path(...parts: string[]): string {
    return path.join(this.folder, ...parts);
  }

  prepare(): void {
    mkdirSync(this.dockerConfig, { recursive: true });
    for (const part of ["bin", "stamps", "python"]) symlinkSync(path.join(this.shared, part), this.path(part));
    const plugins = path.join(process.env.DOCKER_CONFIG ?? path.join(homedir(), ".docker"), "cli-plugins");
    if (existsSync(plugins)) symlinkSync(plugins, path.join(this.dockerConfig, "cli-plugins"));
  }

  async tools(...args: string[]): Promise<CommandResult> {
    return command(path.join(__dirname, "tools.sh"), args, { env: { ...process.env, ...this.environment } });
  }

  /** Ends its builder, also one left by an earlier run, and removes the folder. */
  async remove(): Promise<void> {
    if (existsSync(this.folder)) await this.tools("stop-builder");
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
  }
}
