import { readFileSync } from "node:fs";
import * as path from "node:path";
import { expect, it } from "vitest";
import { catalog } from "../images/catalog";
import { hierarchyPicture, withSections } from "./readme-sections";

const readme = readFileSync(path.join(__dirname, "..", "README.md"), "utf8");

it("README.md says what the catalogue, the stages and the settings say (npm run docs)", () => {
  expect(withSections(readme)).toBe(readme);
});

it("the picture shows every image", () => {
  for (const { name } of catalog) expect(hierarchyPicture()).toContain(name);
});
