import { describe, expect, it } from "vitest";
import { diskFindings, readDisk, type DiskNeeds } from "./disks";

const FIRST: DiskNeeds = { variant: "cuda", models: 300, deployed: false, host: undefined };
const engine = (free: number, mount = "/"): string => `engine\t${free}\t${mount}\t/var/lib/docker`;
const builder = (free: number, mount = "/"): string => `builder\t${free}\t${mount}\t/home/me/.cp whisperx`;
const found = (lines: readonly string[], needs: Partial<DiskNeeds> = {}) => diskFindings(lines.map(readDisk), { ...FIRST, ...needs });
const saying = (...lines: RegExp[]): string[] => lines.map((line) => expect.stringMatching(line) as string);
const NOTHING = { problems: [], warnings: [] };

describe("diskFindings", () => {
  it("requires disk space in the engine for a whole first deployment, models included", () => {
    expect(found([engine(15_300)])).toEqual(NOTHING);
    expect(found([engine(15_299)])).toEqual({
      problems: [
        "There are 15299 MiB free below /var/lib/docker on this machine, and the stack takes up to 15300 MiB; " +
          "fix: free some space (docker system df shows what uses it), or move the engine's data-root to a larger disk",
      ],
      warnings: [],
    });
    expect(found([engine(15_299)], { variant: "cpu" })).toEqual(NOTHING);
    expect(found([])).toEqual(NOTHING);
  });

  it("warns of an update that may take as much as the variant's largest layers, and refuses one without disk space", () => {
    const deployed = { deployed: true, host: "ssh://me@gpu-1" };
    expect(found([engine(12_000)], deployed)).toEqual(NOTHING);
    expect(found([engine(1024)], deployed)).toEqual({
      problems: [],
      warnings: saying(/^There are 1024 MiB free below \/var\/lib\/docker on ssh:\/\/me@gpu-1, and an update may take 12000 MiB; fix: free some space \(docker image prune [^,]*\)$/),
    });
    expect(found([engine(2000)], { ...deployed, variant: "cpu" })).toEqual(NOTHING);
    expect(found([engine(1023)], deployed).problems).toEqual(saying(/takes up to 1024 MiB/));
  });

  it("warns of the builder's disk, by itself or together with the engine's where they share one", () => {
    expect(found([engine(15_300, "/data"), builder(20_000)])).toEqual(NOTHING);
    expect(found([engine(15_300, "/data"), builder(19_999)]).warnings).toEqual(
      saying(/^There are 19999 MiB free below \/home\/me\/.cp whisperx on this machine, and a first build and deployment may take 20000 MiB; fix: .*CP_WHISPERX_HOME/),
    );
    expect(found([engine(35_300), builder(35_300)])).toEqual(NOTHING);
    expect(found([engine(35_299), builder(35_299)]).warnings).toEqual(
      saying(/^There are 35299 MiB free below \/var\/lib\/docker and \/home\/me\/.cp whisperx on this machine, .* may take 35300 MiB/),
    );
    expect(found([engine(20_000), builder(20_000)], { host: "ssh://me@gpu-1" })).toEqual(NOTHING);
  });
});
