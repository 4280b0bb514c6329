import { describe, expect, it } from "vitest";
import { stackLayers, totalBytes } from "../../bench/layers";
import { docker, expectOutput } from "./command";
import { services, Stack } from "./stack";

const stack = new Stack();
const LIMIT_BYTES = 1.8e9;

async function imageOf(service: string): Promise<string> {
  const { stdout } = await docker(["inspect", "--format", "{{.Config.Image}}", stack.containerName(service)]);
  return stdout.trim();
}

const PROGRAMS = "gcc g++ cc c++ clang ld as make cmake rustc cargo go uv";
/** Prints an image's user, then one line per file that it should not have. */
const LOOK = `id -u; for program in ${PROGRAMS}; do command -v $program || true; done; ls -A /run/secrets 2>/dev/null || true`;
const ISOLATED = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"];

it("all images of the stack take at most 1.8 GB in the engine, shared layers counted once", async () => {
  const { stdout } = await stack.pulumi(["stack", "output", "images", "--json"]);
  const images = JSON.parse(stdout) as Record<string, { reference: string }>;
  const used = [...services, "models"].map((name) => images[name]?.reference ?? "");
  expect(totalBytes(await stackLayers(used))).toBeLessThanOrEqual(LIMIT_BYTES);
});

it("stages with the same packages share their layers", async () => {
  const layersOf = async (service: string): Promise<string[]> => (await stackLayers([await imageOf(service)])).map(({ id }) => id);
  for (const [one, other] of [["demux", "mux"], ["pre-ner", "post-ner"], ["asr", "second-pass-translation"], ["silero-vad", "diarization"]] as const) {
    const [left, right] = [await layersOf(one), await layersOf(other)];
    expect(left.slice(0, -1), `${one} and ${other}`).toEqual(right.slice(0, -1));
  }
});

describe.each(services)("image %s", (service) => {
  it("runs as an unprivileged user, and has no compiler, no installer and no build secret", async () => {
    const { stdout } = await docker([...ISOLATED, "--entrypoint", "sh", await imageOf(service), "-c", LOOK]);
    expect(stdout).toBe("1000\n");
  });

  it("has no secret in a layer's command or the environment", async () => {
    const image = await imageOf(service);
    const { stdout } = await docker(["image", "inspect", image]);
    const history = await docker(["history", "--no-trunc", image]);
    for (const text of [stdout, history.stdout]) expect(text).not.toMatch(/BEGIN [A-Z ]*(CERTIFICATE|PRIVATE KEY)/);
  });

  it("answers --help", async () => {
    expectOutput(await docker(["run", "--rm", "--network", "none", await imageOf(service), "--help"], { expected: "either" }), /usage/i);
  });
});

it("no container's environment has anything that looks like a secret", async () => {
  for (const service of services) {
    const { stdout } = await docker(["inspect", "--format", "{{join .Config.Env \"\\n\"}}", stack.containerName(service)]);
    expect(stdout).not.toMatch(/(TOKEN|SECRET|PASSWORD|PASSPHRASE|API_KEY)=/i);
  }
});
