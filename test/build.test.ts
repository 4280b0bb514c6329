/** The program in build mode (`make build`): it builds images and deploys nothing. */
import { afterEach, expect, it, vi } from "vitest";
import { mockPulumi, settled } from "./mocks";
import { answersOf, runProgram } from "./program";

afterEach(() => { vi.unstubAllEnvs(); });

const NO_ENGINE = { ...answersOf("dev"), "preflight.sh": "The engine of this machine does not answer; fix: start it\n" };

it("needs no engine, and keeps the outputs of the last deployment", async () => {
  vi.stubEnv("CP_WHISPERX_BUILD", "yes");
  const deployed = { services: { asr: { container: "cp-whisperx-dev-asr" } } };
  const resources = await mockPulumi("dev", NO_ENGINE, { deployed });
  expect(await runProgram({})).toEqual(deployed);
  await settled();
  expect(resources.filter(({ type }) => type === "docker-build:index:Image")).not.toEqual([]);
});

it("a deployment still needs an engine", async () => {
  await mockPulumi("dev", NO_ENGINE);
  await expect(runProgram({})).rejects.toThrow("does not answer");
});
