import { existsSync, readdirSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { command, docker, eventually } from "./command";
import { SAMPLE, Stack } from "./stack";

const stack = new Stack();
const asr = stack.containerName("asr");

/** Submits the sample as a new job and waits until asr works on it. */
async function jobInAsr(): Promise<string> {
  const known = new Set(stack.jobs());
  await stack.application(["submit", "--again", SAMPLE]);
  const job = await eventually("a new job", 30, () => stack.jobs().find((folder) => !known.has(folder)));
  await eventually("asr", 180, () => (stack.manifest(job).asr?.status === "running" ? true : undefined));
  return job;
}

async function expectFinishedOnce(job: string): Promise<void> {
  await eventually("the end of the job", 300, () => {
    const records = stack.manifest(job);
    const failed = Object.entries(records).find(([, { status }]) => status === "failed");
    if (failed) throw new Error(`${failed[0]}: ${failed[1].reason ?? ""}`);
    return records.mux?.status === "done" ? true : undefined;
  });
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

async function pidsIn(container: string): Promise<{ first: string; worker: string }> {
  const { stdout } = await docker(["top", container, "-o", "pid,args"]);
  const rows = stdout.trim().split("\n").slice(1).map((row) => row.trim().split(/\s+/));
  const worker = rows.find(([, program]) => program?.includes("python"))?.[0];
  const first = rows[0]?.[0];
  if (worker === undefined || first === undefined) throw new Error(`no worker in ${container}:\n${stdout}`);
  return { first, worker };
}

describe("a job goes on by itself and every result stands once", () => {
  it("after kill -9 of the worker in the middle of asr", async () => {
    const job = await jobInAsr();
    await command("kill", ["-9", (await pidsIn(asr)).worker]);
    await expectFinishedOnce(job);
  });

  it("after kill -9 of the whole container", async () => {
    const job = await jobInAsr();
    await command("kill", ["-9", (await pidsIn(asr)).first]);
    await expectFinishedOnce(job);
  });

  it("after docker kill, which the engine takes for a wish, and make up", async () => {
    const job = await jobInAsr();
    await docker(["kill", asr]);
    await stack.make("up");
    await expectFinishedOnce(job);
  });
});

it("a queue that was killed comes back with its jobs", async () => {
  const job = await jobInAsr();
  await command("kill", ["-9", (await docker(["inspect", "--format", "{{.State.Pid}}", stack.containerName("queue")])).stdout.trim()]);
  await eventually("the end of the job", 300, () => (stack.manifest(job).mux?.status === "done" ? true : undefined));
});

it("a film that was done is not done again, and resume repeats nothing", async () => {
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
