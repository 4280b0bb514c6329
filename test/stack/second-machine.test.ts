import { existsSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { Home } from "../hosts/home";
import { docker } from "./command";
import { Stack } from "./stack";

const stack = new Stack();
const home = new Home(stack.sibling("home"));

afterAll(async () => { await home.remove(); });

// Only root may start a builder.
it.runIf(process.getuid?.() === 0)("a machine without the images and with an empty builder gets every image from the registry, with no build", async () => {
  const before = await stack.deployment();
  const { stdout } = await stack.pulumi(["stack", "output", "images", "--json"]);
  const images = Object.values(JSON.parse(stdout) as Record<string, { reference: string }>).map(({ reference }) => reference);
  await stack.make("down");
  await docker(["image", "rm", "--force", ...images], { expected: "either" }); // the base images are not in the engine
  // Without the program's state: another machine has only the sources and the registry.
  await docker(["volume", "rm", "--force", stack.containerName("model-cache")]);
  await stack.pulumi(["stack", "rm", "--yes", "--force", "--preserve-config"]);
  home.prepare();
  await stack.make("up", [], { env: home.environment });
  expect(existsSync(home.path("run", "buildkitd.sock"))).toBe(true);
  // A rebuilt layer has other file times, and so another digest.
  expect((await stack.deployment()).digests).toEqual(before.digests);
  await stack.pulumi(["preview", "--expect-no-changes"]);
});
