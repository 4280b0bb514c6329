import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { failureText, isNews } from "./output";

/** Nothing takes this long, even on a busy machine: after it, the command hangs. */
const PATIENCE_MINUTES = 60;
/** Time to end after SIGTERM: Pulumi finishes its operation and releases its lock. */
const SECONDS_TO_END = 120;
const POLL_MILLISECONDS = 500;
/** Folder for the whole outputs of failed commands. */
export const OUTPUTS = path.resolve("build", "test-results", "commands");

export interface CommandResult {
  /** The command, as a person would type it. */
  readonly title: string;
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
  /** How it must end. Default: success. */
  readonly expected?: "success" | "failure" | "either";
  /** Its standard input. Default: empty. */
  readonly input?: string;
  /** Another time limit, and another time to end after it. */
  readonly limit?: { readonly seconds: number; readonly secondsToEnd: number };
  /** Also print its progress. */
  readonly show?: boolean;
}

/** Process groups of the running commands, and promises of their ends. The terminal's Ctrl-C does not reach them. */
const running = new Map<number, Promise<unknown>>();

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // It has ended.
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    for (const group of running.keys()) signalGroup(group, "SIGTERM"); // background jobs of a shell do not see SIGINT
    // A process that writes to a closed pipe would be killed by SIGPIPE while it cleans up.
    void Promise.allSettled(running.values()).then(() => {
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  });
}

/** Ends a command that exceeds its limit, and its children: SIGTERM, then SIGKILL. Returns whether it had to. */
function guard(child: ChildProcess, group: number, limit: { seconds: number; secondsToEnd: number }): { stop: () => boolean } {
  let ended = false;
  let timer = setTimeout(() => {
    ended = true;
    signalGroup(group, "SIGTERM");
    timer = setTimeout(() => {
      signalGroup(group, "SIGKILL");
      // A process outside the group may have the other ends open.
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, limit.secondsToEnd * 1000);
  }, limit.seconds * 1000);
  return { stop: () => { clearTimeout(timer); return ended; } };
}

/** An error that names what was expected of a command; the whole output is in a file. */
export function failed(result: CommandResult, expected: string, happened = `exit ${result.code}`): Error {
  const name = `${new Date().toISOString().replace(/[-:]/g, "")}-${result.title.replace(/[^\w.-]+/g, "-").slice(0, 60)}.log`;
  const file = path.join(OUTPUTS, name);
  mkdirSync(OUTPUTS, { recursive: true });
  writeFileSync(file, result.output);
  return new Error(failureText({ ...result, expected, happened, file: path.relative(process.cwd(), file) }));
}

/** Runs a program in its own process group. @throws Error if it does not end as expected, or exceeds the limit. */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { expected = "success", limit = { seconds: PATIENCE_MINUTES * 60, secondsToEnd: SECONDS_TO_END } } = options;
  const started = Date.now();
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, detached: true });
  child.stdin.on("error", () => undefined); // it may end without having read everything
  child.stdin.end(options.input);
  let stdout = "";
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => { stdout += chunk.toString(); output += chunk.toString(); });
  child.stderr.on("data", (chunk: Buffer) => { output += chunk.toString(); });
  if (options.show) {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => { if (isNews(line)) process.stderr.write(`${line}\n`); });
    }
  }
  const group = child.pid;
  const guarding = group === undefined ? undefined : guard(child, group, limit);
  const end = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => { resolve(status ?? 128 + constants.signals[signal ?? "SIGKILL"]); });
  });
  if (group !== undefined) running.set(group, end);
  const code = await end.finally(() => { if (group !== undefined) running.delete(group); });
  const outlasted = guarding?.stop();
  const title = [path.basename(program), ...args].join(" ").slice(0, 100);
  const result = { title, code, stdout, output, seconds: (Date.now() - started) / 1000 };
  if (outlasted) throw failed(result, `end within ${limit.seconds} s`, "ended by the test");
  if (expected === "success" && code !== 0) throw failed(result, "succeed");
  if (expected === "failure" && code === 0) throw failed(result, "fail");
  return result;
}

/** Runs `docker`. */
export async function docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return command("docker", args, options);
}

/** @throws Error if the output lacks one of the patterns. */
export function expectOutput(result: CommandResult, ...patterns: readonly (string | RegExp)[]): void {
  for (const pattern of patterns) {
    const found = typeof pattern === "string" ? result.output.includes(pattern) : pattern.test(result.output);
    if (!found) throw failed(result, `say ${typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern)}`);
  }
}

/** Calls `probe` until it yields a value. `probe` throws if that is no longer possible; the limit is for a probe that hangs. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = Date.now() + PATIENCE_MINUTES * 60_000;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`expected ${what} within ${PATIENCE_MINUTES} min`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}
