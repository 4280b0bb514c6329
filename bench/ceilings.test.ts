import { expect, it } from "vitest";
import { ceilings, ceilingTable, exceededCeilings } from "./ceilings";
import type { RunningImage } from "./sizes";

const image = (name: string, gigabytes: number, layer = name): RunningImage => ({ name, stored: [], engine: [{ id: layer, bytes: gigabytes * 1e9 }] });

it("names a stack if the sum of its images, shared layers once, is above its ceiling", () => {
  expect(exceededCeilings("gpu", [image("asr-cuda", 9, "torch"), image("diarization-cuda", 9, "torch")])).toEqual([]);
  expect(exceededCeilings("gpu", [image("asr-cuda", 9), image("diarization-cuda", 1)])).toEqual([
    "all images of stack gpu: 10.00 GB in the engine, the limit is 9.5 GB",
  ]);
});

it("names an image above its own ceiling in any stack", () => {
  expect(exceededCeilings("dev", [image("pre-ner", 0.6), image("post-ner", 0.61)])).toEqual([
    "post-ner: 0.61 GB in the engine, the limit is 0.6 GB",
  ]);
});

it("has one row per ceiling in the table", () => {
  expect(ceilingTable().split("\n")).toHaveLength(ceilings.length + 2);
});
