import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);

it("two programs that start at once each compile the sources, and leave no file", async () => {
  const kind = ["-e", "console.log(typeof require('./program.cjs'))"];
  const started = await Promise.all([run(process.execPath, kind), run(process.execPath, kind)]);
  expect(started.map(({ stdout }) => stdout.trim())).toEqual(["function", "function"]);
  expect(readdirSync("build").filter((name) => name.startsWith("program"))).toEqual([]);
});
