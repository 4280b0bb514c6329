/** Durations of the everyday steps on a running stack: medians of several runs. `npm run bench` prints them. */
import { expect, it } from "vitest";
import { services, Stack } from "../test/stack/stack";
import { stackLayers, totalBytes } from "./layers";

const stack = new Stack();
const RUNS = 5;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function measure(what: string, once: (run: number) => Promise<number>): Promise<void> {
  const seconds: number[] = [];
  for (let run = 0; run < RUNS; run++) seconds.push(await once(run));
  console.log(`${what}: median ${median(seconds).toFixed(1)} s of ${seconds.map((value) => value.toFixed(1)).join(", ")}`);
}

it("prints how long each step takes", async () => {
  console.log(`first make up, to the sample's subtitles: ${stack.firstUp.seconds.toFixed(0)} s`);
  await measure("make up with nothing to do", async () => (await stack.make("up")).seconds);
  await measure("pulumi preview with nothing to do", async () => (await stack.pulumi(["preview"])).seconds);
  let before = await stack.deployment();
  await measure("pulumi up after one line of one stage, until its container is healthy", async (run) => {
    stack.edit("docker/lyrics-detection/lyrics_detection.py", (content) => `${content}\nRUN = ${run}\n`);
    const { seconds } = await stack.up();
    const after = await stack.deployment();
    const replaced = services.filter((service) => before.containers[service] !== after.containers[service]);
    expect(replaced).toEqual(["lyrics-detection"]);
    before = after;
    return seconds;
  });
});

it("prints the image sizes", async () => {
  const { stdout } = await stack.pulumi(["stack", "output", "images", "--json"]);
  const images = JSON.parse(stdout) as Record<string, { reference: string }>;
  const weigh = async (names: readonly string[]): Promise<number> =>
    totalBytes(await stackLayers(names.map((name) => images[name]?.reference ?? ""))) / 1e6;
  for (const name of [...services, "models"]) console.log(`${name}: ${(await weigh([name])).toFixed(0)} MB`);
  console.log(`together, shared layers once: ${(await weigh([...services, "models"])).toFixed(0)} MB`);
});
