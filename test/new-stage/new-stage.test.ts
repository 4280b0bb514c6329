/** The steps of docs/stages.md, "How to add a stage", in a copy of the checkout; test/stack/change.test.ts deploys the same stage. */
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { command } from "../stack/command";
import { copySources } from "../stack/stack";
import { addStage, NEW_STAGE } from "./add";

const root = path.join(__dirname, "..", "..");
const copy = path.join(root, "build", "new-stage-test");
const run = async (program: string, ...args: string[]) => command(program, args, { cwd: copy, env: { ...process.env, VITEST: undefined } });
const read = (file: string): string => readFileSync(path.join(copy, file), "utf8");

beforeAll(async () => {
  rmSync(copy, { recursive: true, force: true });
  await copySources(root, copy);
  symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"));
  addStage(copy, (file, change) => {
    const after = change(read(file));
    expect(after, file).not.toBe(read(file));
    writeFileSync(path.join(copy, file), after);
  });
});
afterAll(() => { rmSync(copy, { recursive: true, force: true }); });

it("adds a stage to the documents, the goldens and the program with only the edits of the steps", async () => {
  await run("npm", "run", "docs");
  expect(read("docs/stages.md")).toContain(`| \`${NEW_STAGE}\` |`);
  await Promise.all([
    run("npm", "run", "golden"),
    run("npm", "run", "typecheck"),
    run("npx", "--no-install", "vitest", "run", "test/program.test.ts", "--testNamePattern", "stack dev"),
  ]);
  expect(read("test/golden/dev.json")).toContain(`docker:index/container:Container ${NEW_STAGE}`);
});
