import { readFileSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { command } from "./command";
import { Stack } from "./stack";
import { parseSubRip, wordErrorRate, type Cue } from "./subtitles";

interface Reference {
  readonly segments: { start: number; end: number; speaker: string; text: string }[];
  readonly music: { start: number; end: number }[];
}

const stack = new Stack();
const reference = JSON.parse(readFileSync(stack.path("samples", "reference.json"), "utf8")) as Reference;
const job = stack.sampleJob();
const subtitles = String(stack.result(job, "subtitle-gen").subtitles);
const cues = parseSubRip(readFileSync(path.join(job, subtitles), "utf8"));

const NOTE = "♪";
const isMusic = (cue: Cue): boolean => cue.lines.every((line) => line.includes(NOTE));
const spoken = cues.filter((cue) => !isMusic(cue));
const overlap = (a: { start: number; end: number }, b: { start: number; end: number }): number =>
  Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start));

describe("the subtitles of the sample", () => {
  it("match the script: the word error rate is at most 15 %", () => {
    const expected = reference.segments.map(({ text }) => text).join(" ");
    const heard = spoken.map((cue) => cue.lines.join(" ")).join(" ");
    expect(wordErrorRate(expected, heard)).toBeLessThanOrEqual(0.15);
  });

  it("distinguish the two speakers", () => {
    const segments = stack.result(job, "diarization").segments as { start: number; end: number; speaker: string }[];
    const speakerAt = (span: { start: number; end: number }): string =>
      segments.reduce((best, segment) => (overlap(segment, span) > overlap(best, span) ? segment : best)).speaker;
    const pairs = reference.segments.map((segment) => `${segment.speaker} is ${speakerAt(segment)}`);
    expect(new Set(pairs).size).toBe(2);
    expect(new Set(segments.map(({ speaker }) => speaker)).size).toBe(2);
  });

  it("mark no speech as music, though music is found", () => {
    const music = stack.result(job, "lyrics-detection").segments as { start: number; end: number; kind: string }[];
    expect(music.map(({ kind }) => kind)).toEqual(reference.music.map(() => "music"));
    for (const [index, span] of reference.music.entries()) {
      expect(overlap(music[index] ?? { start: 0, end: 0 }, span)).toBeGreaterThan((span.end - span.start) / 2);
    }
    expect(cues.filter(isMusic)).toEqual([]);
  });

  it("have at most two lines of 42 characters and 7 seconds, are numbered without gaps and do not overlap", () => {
    expect(cues.map(({ number }) => number)).toEqual(cues.map((_, index) => index + 1));
    for (const [index, cue] of cues.entries()) {
      expect(cue.lines.length).toBeLessThanOrEqual(2);
      for (const line of cue.lines) expect(Array.from(line).length).toBeLessThanOrEqual(42);
      expect(cue.end - cue.start).toBeLessThanOrEqual(7);
      expect(cue.start).toBeGreaterThanOrEqual(cues[index - 1]?.end ?? 0);
    }
  });

  it("are a track of the finished film, next to video and audio", async () => {
    const film = String(stack.result(job, "mux").film);
    const inside = `/films/out/${path.relative(stack.path("films", "out"), path.join(job, film))}`;
    const { stdout } = await command("docker", [
      ...["exec", stack.containerName("mux"), "ffprobe", "-v", "error"],
      ...["-show_entries", "stream=codec_type,codec_name:stream_tags=language", "-of", "json", inside],
    ]);
    const { streams } = JSON.parse(stdout) as { streams: { codec_type: string; codec_name: string; tags?: { language?: string } }[] };
    expect(streams.map(({ codec_type }) => codec_type).sort()).toEqual(["audio", "subtitle", "video"]);
    const track = streams.find(({ codec_type }) => codec_type === "subtitle");
    expect(track).toMatchObject({ codec_name: "mov_text", tags: { language: "eng" } });
  });

  it("come from stages that each succeeded or give a reason", () => {
    for (const [name, record] of Object.entries(stack.manifest(job))) {
      if (record.status === "done") expect(record.outputs.length, name).toBeGreaterThan(0);
      else expect([name, record.status, record.reason?.length ?? 0]).toEqual([name, "skipped", expect.any(Number)]);
    }
    const skipped = Object.entries(stack.manifest(job)).filter(([, { status }]) => status !== "done").map(([name]) => name);
    // The sample is in English, so there is nothing to translate.
    expect(skipped).toEqual(["second-pass-translation"]);
  });
});
