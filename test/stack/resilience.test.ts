import { existsSync, readdirSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { command, docker, eventually, failed } from "./command";
import { SAMPLE, Stack, type StageRecord } from "./stack";

const stack = new Stack();
const asr = stack.containerName("asr");
/** A working stage updates the manifest much more often. */
const MINUTES_UNTIL_STUCK = 10;

/** Submits the sample as a new job; returns its folder. */
async function newJob(): Promise<string> {
  const submitted = await stack.application(["submit", "--again", SAMPLE]);
  const folder = /^job \S+ in \/films\/out\/(\S+)$/m.exec(submitted.output)?.[1];
  if (folder === undefined) throw failed(submitted, "name the folder of a new job");
  return stack.path("films", "out", folder);
}

/** Waits for a state of a job; fails early if a stage fails or the job is stuck. */
async function jobUntil(what: string, job: string, reached: (records: Readonly<Record<string, StageRecord>>) => boolean): Promise<void> {
  let [seen, since] = ["", Date.now()];
  await eventually(`${what} of ${path.basename(job)}`, () => {
    const records = stack.manifest(job);
    if (reached(records)) return true;
    const states = Object.entries(records).map(([name, { status, reason }]) => `${name} ${status} ${reason ?? ""}`.trim()).join(", ");
    if (Object.values(records).some(({ status }) => status === "failed")) throw new Error(`expected ${what} of ${path.basename(job)}: ${states}`);
    const now = JSON.stringify(records);
    if (now !== seen) [seen, since] = [now, Date.now()];
    if (Date.now() - since > MINUTES_UNTIL_STUCK * 60_000) {
      throw new Error(`expected ${what} of ${path.basename(job)}, which has not changed for ${MINUTES_UNTIL_STUCK} min: ${states}`);
    }
    return undefined;
  });
}

const end = async (job: string): Promise<void> => jobUntil("the end", job, ({ mux }) => mux?.status === "done");

/** Process ids of asr's init process and its worker. */
async function processes(): Promise<{ first: number; worker: number }> {
  const { stdout } = await docker(["top", asr, "-o", "pid,args"]);
  const rows = stdout.trim().split("\n").slice(1).map((row) => row.trim().split(/\s+/));
  const [first, worker] = [rows[0], rows.find(([, program]) => program?.includes("python"))].map((row) => Number(row?.[0]));
  if (!first || !worker) throw new Error(`expected a worker in ${asr}:\n${stdout}`);
  return { first, worker };
}

/** A new job, killed in the middle of asr. The worker is stopped (SIGSTOP) first, so that it cannot finish. */
async function killedJob(kill: (found: { first: number; worker: number }) => unknown): Promise<string> {
  for (let tries = 5; tries > 0; tries--) {
    const job = await newJob();
    await jobUntil("asr", job, ({ asr: record }) => record?.status === "running" || record?.status === "done");
    const found = await processes();
    process.kill(found.worker, "SIGSTOP");
    if (stack.manifest(job).asr?.status === "running") {
      await kill(found);
      return job;
    }
    process.kill(found.worker, "SIGCONT");
  }
  throw new Error("expected a job that asr works on: five were done before the worker could be stopped");
}

async function expectFinishedOnce(job: string): Promise<void> {
  await end(job);
  const records = stack.manifest(job);
  expect(records.asr?.attempts).toBe(2);
  expect(Object.entries(records).filter(([name, { attempts }]) => name !== "asr" && attempts !== 1)).toEqual([]);
  expect(readdirSync(job).filter((name) => name.includes("partial"))).toEqual([]);
  for (const [name, { status, outputs }] of Object.entries(records)) {
    if (status !== "done") continue;
    for (const output of outputs) {
      expect(existsSync(path.join(job, output.path)), output.path).toBe(true);
      const { stdout } = await command("sha256sum", [path.join(job, output.path)]);
      expect(stdout.split(" ")[0], `${name}: ${output.path}`).toBe(output.sha256);
    }
  }
}

describe("a job resumes by itself and writes every result once", () => {
  it("after kill -9 of the worker in the middle of asr, and of the whole container while that job waits", async () => {
    const one = await killedJob(({ worker }) => process.kill(worker, "SIGKILL"));
    const other = await killedJob(({ first }) => process.kill(first, "SIGKILL"));
    await expectFinishedOnce(one);
    await expectFinishedOnce(other);
  });

  it("after docker kill, which disables the engine's restart, and make up", async () => {
    const job = await killedJob(async () => docker(["kill", asr]));
    await stack.make("up");
    await expectFinishedOnce(job);
  });
});

it("a killed queue restarts with its jobs", async () => {
  const job = await newJob();
  await jobUntil("asr", job, ({ asr: record }) => record?.status === "running" || record?.status === "done");
  const { stdout } = await docker(["inspect", "--format", "{{.State.Pid}}", stack.containerName("queue")]);
  process.kill(Number(stdout), "SIGKILL");
  await end(job);
});

it("a finished film is not processed again, and resume repeats nothing", async () => {
  const before = stack.jobs();
  const { output } = await stack.application(["submit", "--wait", SAMPLE]);
  expect(output).toContain(".srt");
  expect(stack.jobs()).toEqual(before);
  const job = stack.sampleJob();
  const outputs = JSON.stringify(Object.values(stack.manifest(job)).map((record) => record.outputs));
  await stack.application(["resume", "--wait", path.basename(job)]);
  expect(JSON.stringify(Object.values(stack.manifest(job)).map((record) => record.outputs))).toBe(outputs);
  expect(Object.values(stack.manifest(job)).every(({ attempts }) => attempts <= 1)).toBe(true);
});
