import { describe, expect, it } from "vitest";
import stages from "../docker/common/cp_whisperx/stages.json";
import { hubModels, wantedHubModels } from "./hub-models";

const names = (models: readonly { repository: string }[]): string[] => models.map(({ repository }) => repository);

describe("wantedHubModels", () => {
  it("are all models if there is torch, also the host's, otherwise those without torch", () => {
    expect(wantedHubModels("cuda", [])).toEqual(hubModels);
    expect(wantedHubModels("cuda-slim", [])).toEqual(hubModels);
    expect(names(wantedHubModels("cpu", []))).toContain("Systran/faster-whisper-base");
    expect(names(wantedHubModels("cpu", []))).not.toContain("pyannote/segmentation-3.0");
  });

  it("do not include those in leaveOut", () => {
    const [first] = names(hubModels);
    expect(names(wantedHubModels("cuda", [first ?? ""]))).toEqual(names(hubModels.slice(1)));
  });
});

it("every model of the hub is for existing stages and has a size", () => {
  for (const model of hubModels) {
    expect(stages.map(({ name }) => name)).toEqual(expect.arrayContaining([...model.stages]));
    expect(model.stages).not.toEqual([]);
    expect(model.megabytes).toBeGreaterThan(0);
  }
});
