import { describe, expect, it } from "vitest";
import { parseSettings, SettingsError, type RawConfig } from "./settings";

const raw = (values: Record<string, string>, secretKeys: string[] = []): RawConfig => ({
  project: "cp-whisperx",
  stack: "dev",
  values: Object.fromEntries(Object.entries(values).map(([key, value]) => [`cp-whisperx:${key}`, value])),
  secretKeys: secretKeys.map((key) => `cp-whisperx:${key}`),
});

const reportOf = (config: RawConfig): string => {
  try {
    parseSettings(config);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return (error as Error).message;
  }
  throw new Error("the settings were accepted");
};

describe("parseSettings", () => {
  it("needs nothing: every setting has a default that works", () => {
    const settings = parseSettings(raw({}));
    expect(settings).toMatchObject({ registry: "127.0.0.1:5000", namespace: "rajiup", variant: "cpu", stages: {} });
    expect(settings.baseImages.cpu).toMatch(/@sha256:[0-9a-f]{64}$/);
  });

  it("leaves other packages' configuration alone", () => {
    const config = raw({ logLevel: "DEBUG" });
    expect(parseSettings({ ...config, values: { ...config.values, "docker:host": "unix:///x" } }).logLevel).toBe("DEBUG");
  });

  it("passes on what a stack sets for a stage, and no default of the stage's own", () => {
    const settings = parseSettings(raw({ stages: '{"asr":{"WHISPER_BEAM_SIZE":3}}' }));
    expect(settings.stages).toEqual({ asr: { WHISPER_BEAM_SIZE: 3 } });
  });

  it("names every problem in one report: key in full, value, what is allowed, the way out", () => {
    const report = reportOf(
      raw({
        logLevel: "loud",
        healthcheckSeconds: '"soon"',
        colour: "red",
        baseImages: '{"cpu":"python:3.11-slim"}',
        stages: '{"asr":{"WHISPER_BEAM_SIZE":0,"WHISPER_BEEM":1}}',
        memoryMegabytes: '{"asr":1}',
      }),
    );
    expect(report).toContain("stack dev are not right (7 problems)");
    for (const line of [
      "cp-whisperx:logLevel:",
      'value:   "loud"',
      "one of DEBUG, INFO, WARNING, ERROR",
      "pulumi config set 'cp-whisperx:logLevel' \"INFO\" --stack dev",
      "cp-whisperx:healthcheckSeconds:",
      "cp-whisperx:colour: unknown setting",
      "pulumi config rm 'cp-whisperx:colour' --stack dev",
      "cp-whisperx:baseImages.cpu: not pinned by a digest",
      "pulumi config set --path 'cp-whisperx:baseImages.cpu'",
      "cp-whisperx:stages.asr.WHISPER_BEAM_SIZE:",
      "cp-whisperx:stages.asr.WHISPER_BEEM: unknown setting",
      "cp-whisperx:memoryMegabytes.asr:",
    ]) {
      expect(report).toContain(line);
    }
  });

  it("refuses a secret in plain text, and never repeats it", () => {
    const report = reportOf(raw({ tmdbApiKey: "hunter2" }));
    expect(report).toContain("plain text");
    expect(report).toContain("pulumi config set --secret 'cp-whisperx:tmdbApiKey' VALUE");
    expect(report).not.toContain("hunter2");
    expect(parseSettings(raw({ tmdbApiKey: "hunter2" }, ["tmdbApiKey"])).tmdbApiKey).toBe("hunter2");
  });

  it.each([
    ["films/out", "films/out"],
    ["films/out/in", "films/out"],
    ["films", "films/out"],
  ])("refuses film folders where the input %s and the output %s overlap", (input, output) => {
    expect(reportOf(raw({ films: JSON.stringify({ in: input, out: output }) }))).toContain(
      `cp-whisperx:films.in: overlaps films.out (${output})`,
    );
  });

  it("refuses root as the containers' user", () => {
    expect(reportOf(raw({ user: "0:0" }))).toContain("or root");
  });
});
