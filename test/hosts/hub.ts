/** A hub for the second machine's models: hub.py in a separate process. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { eventually } from "../stack/command";
import { ADDRESS_HERE } from "./machine";

const PORT = 8213;

export const ENDPOINT = `http://${ADDRESS_HERE}:${PORT}`;

/** A request to the hub. */
export interface HubRequest {
  readonly path: string;
  /** Host and port of the request. */
  readonly host: string;
  /** Whether it had a token. */
  readonly token: boolean;
}

export interface ModelHubArgs {
  /** The development environment's Python, and the checkout with the double. */
  readonly python: string;
  readonly checkout: string;
  /** Folder of the packaged Whisper model. */
  readonly whisper: string;
  /** The only token that it accepts. */
  readonly token: string;
  /** Its request log, one line per request; errors go to `<log>.errors`. */
  readonly log: string;
}

export class ModelHub {
  private running?: ChildProcess;

  constructor(private readonly args: ModelHubArgs) {}

  /** Starts it if it does not run; resolves when it answers. It reads a pipe from this process, so it ends with it. */
  async start(): Promise<void> {
    if (this.running !== undefined) return;
    const { python, checkout, whisper, token, log } = this.args;
    const errors = openSync(`${log}.errors`, "a");
    const program = [path.join(__dirname, "hub.py"), ADDRESS_HERE, String(PORT), whisper, log];
    const env = { ...process.env, PYTHONPATH: path.join(checkout, "docker/common/tests"), PYTHONDONTWRITEBYTECODE: "1" };
    const running = spawn(python, program, { env, stdio: ["pipe", "pipe", errors] });
    closeSync(errors);
    this.running = running;
    let said = "";
    running.stdout?.on("data", (chunk: Buffer) => { said += chunk.toString(); });
    running.stdin?.write(`${token}\n`);
    await eventually("an answer of the hub", () => {
      if (running.exitCode !== null) throw new Error(`the hub has ended:\n${readFileSync(`${log}.errors`, "utf8")}`);
      return said.trim() === ENDPOINT || undefined;
    });
  }

  /** Makes it send large files in seconds instead of minutes. */
  hurry(): void {
    this.running?.stdin?.write("\n");
  }

  /** All its requests. */
  requests(): HubRequest[] {
    const { log } = this.args;
    const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n") : [];
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as HubRequest);
  }

  async stop(): Promise<void> {
    const running = this.running;
    if (running === undefined) return;
    running.stdin?.end();
    await eventually("the end of the hub", () => running.exitCode !== null || undefined);
  }
}
