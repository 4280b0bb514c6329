import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { command, eventually, expectOutput } from "./stack/command";
import { startTimeOf } from "./hosts/process";

const folder = mkdtempSync(path.join(tmpdir(), "command-test-"));
afterAll(() => { rmSync(folder, { recursive: true }); });

const shell = (script: string) => ["-c", script];

describe("a command", () => {
  it("reports what was expected in the first line of its error, and keeps the whole output", async () => {
    const error = await command("sh", shell("seq 100; echo 'error: no room' >&2; exit 3")).catch((thrown: unknown) => thrown as Error);
    const [first = "", ...rest] = (error as Error).message.split("\n");
    expect(first).toMatch(/^sh -c seq 100;.*: expected to succeed, exit 3 after 0 s: no room$/);
    const file = rest.at(-1)?.replace("  the whole output: ", "") ?? "";
    expect(readFileSync(file, "utf8").split("\n")).toContain("1");
    rmSync(file);
  });

  it("that must fail but succeeds is an error", async () => {
    await expect(command("true", [], { expected: "failure" })).rejects.toThrow(/^true: expected to fail, exit 0 /);
    expect((await command("false", [], { expected: "failure" })).code).toBe(1);
    expect((await command("false", [], { expected: "either" })).code).toBe(1);
  });

  it("that does not exist is a separate error", async () => {
    await expect(command("no-such-program", [])).rejects.toThrow("ENOENT");
  });

  it("is checked by its output", async () => {
    const result = await command("echo", ["one two"]);
    expectOutput(result, "one", /t.o/);
    expect(() => { expectOutput(result, "three"); }).toThrow(/^echo one two: expected to say "three", exit 0 /);
  });
});

describe("a command that exceeds its time limit", () => {
  it("may finish its work, and so may its child processes", async () => {
    const note = path.join(folder, "note");
    const child = `trap 'sleep 0.2; echo let go of the lock > ${note}; exit' TERM; while :; do sleep 0.1; done`;
    await expect(command("sh", shell(`sh -c "${child}" & wait`), { limit: { seconds: 3, secondsToEnd: 60 } })).rejects.toThrow(/: expected to end within 3 s, ended by the test /);
    expect(readFileSync(note, "utf8")).toBe("let go of the lock\n");
  });

  it("is killed with its child processes if they do not end", async () => {
    const note = path.join(folder, "process");
    const stubborn = `trap '' TERM; echo $$ > ${note}; while :; do sleep 0.1; done`;
    await expect(command("sh", shell(`sh -c "${stubborn.replaceAll("$", "\\$")}"; true`), { limit: { seconds: 3, secondsToEnd: 1 } })).rejects.toThrow("expected to end");
    const started = Number(readFileSync(note, "utf8"));
    await eventually("the end of the process", () => (startTimeOf(started) === undefined ? true : undefined));
  });
});

it("a command ends when the tests are interrupted", async () => {
  const [began, note] = [path.join(folder, "began"), path.join(folder, "interrupted")];
  const waiting = `trap 'echo > ${note}; exit' TERM; echo $$ > ${began}.new; mv ${began}.new ${began}; while :; do sleep 0.1; done`;
  const script = `require("ts-node/register/transpile-only"); require("./test/stack/command").command("sh", ["-c", ${JSON.stringify(waiting)}])`;
  const tests = spawn(process.execPath, ["-e", script], { stdio: "inherit" });
  const ended = once(tests, "exit") as Promise<[number | null, string | null]>;
  await Promise.race([
    eventually("the command", () => (existsSync(began) ? true : undefined)),
    ended.then(([code, signal]) => { throw new Error(`expected the tests to go on, they ended with ${code ?? signal}`); }),
  ]);
  tests.kill("SIGTERM");
  expect((await ended)[1]).toBe("SIGTERM");
  const id = Number(readFileSync(began, "utf8"));
  await eventually("the command's end", () => (startTimeOf(id) === undefined ? true : undefined));
  expect(existsSync(note)).toBe(true);
});

describe("eventually", () => {
  it("waits until there is a value", async () => {
    let calls = 0;
    expect(await eventually("the second call", () => (++calls === 2 ? "here" : undefined))).toBe("here");
  });

  it("ends at once if the probe throws", async () => {
    await expect(eventually("a job", () => { throw new Error("asr: failed"); })).rejects.toThrow("asr: failed");
  });
});
