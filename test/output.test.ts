import { describe, expect, it } from "vitest";
import { failureText, isNews, isNoise } from "./stack/output";

const text = (output: string): string =>
  failureText({ title: "make up", expected: "succeed", happened: "exit 1", seconds: 12.4, output, file: "commands/make-up.log" });

const firstLine = (output: string): string | undefined => text(output).split("\n")[0];

describe("the message of a failure", () => {
  it("begins with what was expected, what happened and why", () => {
    expect(firstLine("[0:01] registry: starting\n[0:12] error: port 5000 is taken\n        fix: end that program\n"))
      .toBe("make up: expected to succeed, exit 1 after 12 s: port 5000 is taken");
  });

  it("names the cause, not the summary after it", () => {
    const output = [
      "Diagnostics:",
      "  docker-build:index:Image (tmdb):",
      "    error: failed to solve: process did not complete successfully: exit code: 42",
      "  pulumi:pulumi:Stack (cp-whisperx-dev):",
      "    error: update failed",
      "[0:12] error: the stack dev is not fully deployed",
      "make: *** [Makefile:15: up] Error 1",
    ].join("\n");
    expect(firstLine(output)).toMatch(/after 12 s: failed to solve: .*exit code: 42$/);
  });

  it("falls back to the summary, then to the last line, then to nothing", () => {
    expect(firstLine("    error: update failed\n")).toMatch(/: update failed$/);
    expect(firstLine("one\ntwo\n\n")).toMatch(/: two$/);
    expect(firstLine("")).toMatch(/: it said nothing$/);
  });

  it("leaves out colours and the progress of BuildKit and Pulumi", () => {
    const noise = [
      " +  docker-build:index:Image asr creating (1s) #5 ERROR: failed to configure registry cache importer: 127.0.0.1:5000/a:cpu-cache: not found",
      "    #12 DONE 0.3s",
      "    ------",
      "     > importing cache manifest from 127.0.0.1:5000/rajiup/cp-whisperx-app-asr:cpu-cache:",
      "    ERROR: failed to configure registry cache importer: 127.0.0.1:5000/a:cpu-cache: not found",
      " ++ docker:index/container:Container asr creating replacement (0.5s)",
      " +  command:local:Command model-cache-fill creating (0s) 7bccc0f5e767: Download complete",
      "    b017dd4ec154: Already exists",
      "@ updating.....",
    ];
    for (const line of noise) expect(isNoise(line), line).toBe(true);
    expect(text([...noise, "\u001b[31mbroken\u001b[0m"].join("\n")).split("\n")).toEqual([
      "make up: expected to succeed, exit 1 after 12 s: broken",
      "  | broken",
      "  the whole output: commands/make-up.log",
    ]);
  });

  it("keeps Pulumi's message for a failed resource", () => {
    expect(isNoise(" +  docker-build:index:Image tmdb **creating failed** error: failed to solve")).toBe(false);
  });

  it("shows the last thirty lines, shortened", () => {
    const output = Array.from({ length: 100 }, (_, index) => `line ${index} ${"x".repeat(1000)}`).join("\n");
    const lines = text(output).split("\n");
    expect(lines).toHaveLength(32);
    expect(lines.at(-2)).toMatch(/^ {2}\| line 99 x/);
    for (const line of lines) expect(line.length).toBeLessThan(400);
  });
});

it("shows each finished image and container as progress, and no build step", () => {
  expect(isNews("[0:46] deploying the stack test")).toBe(true);
  expect(isNews(" +  docker-build:index:Image models created (55s) ")).toBe(true);
  expect(isNews(" +  docker-build:index:Image models creating (54s) #19 sending cache export")).toBe(false);
});
