import * as pulumi from "@pulumi/pulumi";
import { expect, it, vi } from "vitest";
import { mockPulumi } from "../test/mocks";
import { warnOfLostServices } from "./drift";

const services = { asr: { container: "cp-whisperx-gpu-asr" }, mux: { container: "cp-whisperx-gpu-mux" } };

it.each([
  ["nothing while all services run", ["cp-whisperx-gpu-asr", "cp-whisperx-gpu-mux"], { services }, []],
  ["which service does not run", ["cp-whisperx-gpu-mux"], { services }, [/^Not running: asr\. .*make up STACK=gpu/]],
  ["nothing while no engine answers", undefined, { services }, []],
  ["nothing of a stack that was never deployed", [], {}, []],
])("says %s", async (_, running, deployed, expected) => {
  await mockPulumi("gpu", {}, { deployed, preview: true });
  const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  await warnOfLostServices("gpu", running);
  expect(warn.mock.calls.map(([message]) => message)).toEqual(expected.map((pattern) => expect.stringMatching(pattern) as string));
  warn.mockRestore();
});
