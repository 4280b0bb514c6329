import { spawn } from "node:child_process";

export interface CommandResult {
  readonly code: number;
  /** Standard output alone. */
  readonly stdout: string;
  /** Standard output and error as they came. */
  readonly output: string;
  readonly seconds: number;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Exit codes that are no error; only 0 unless said. */
  readonly accept?: "any";
  /** What it reads from standard input; nothing unless said. */
  readonly input?: string;
  readonly timeoutSeconds?: number;
  /** Also show the output while it comes. */
  readonly show?: boolean;
}

/** Runs a program. @throws Error with its output where it fails or outlasts its time. */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const started = Date.now();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    timeout: (options.timeoutSeconds ?? 300) * 1000,
    killSignal: "SIGKILL",
  });
  child.stdin.on("error", () => undefined); // it may end without having read everything
  child.stdin.end(options.input);
  let stdout = "";
  let output = "";
  const collect = (chunk: Buffer, isStdout: boolean): void => {
    if (isStdout) stdout += chunk.toString();
    output += chunk.toString();
    if (options.show) process.stderr.write(chunk);
  };
  child.stdout.on("data", (chunk: Buffer) => { collect(chunk, true); });
  child.stderr.on("data", (chunk: Buffer) => { collect(chunk, false); });
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => { resolve(status ?? (signal === null ? 1 : 137)); });
  });
  const result = { code, stdout, output, seconds: (Date.now() - started) / 1000 };
  if (code !== 0 && options.accept !== "any") {
    throw new Error(`${program} ${args.join(" ")}: exit ${code} after ${result.seconds} s\n${output}`);
  }
  return result;
}

/** Runs `docker`. */
export async function docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return command("docker", args, options);
}

/** Calls `probe` every half second until it yields a value. @throws Error after `seconds`. */
export async function eventually<T>(what: string, seconds: number, probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
