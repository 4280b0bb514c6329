import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

it("program.cjs compiles the sources into the function that Pulumi runs", () => {
  const script = "console.log(typeof require('./program.cjs'))";
  expect(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }).trim()).toBe("function");
});
