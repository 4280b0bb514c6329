import { readFileSync } from "node:fs";
import * as path from "node:path";
import { expect, it } from "vitest";
import { MODEL_IMAGES } from "../catalog";
import { readDefinitions } from "../images/definitions";
import { stackNodes } from "../images/plan";
import { VARIANT_NAMES } from "../variants";
import { hierarchyPicture, withSections } from "./readme-sections";

const readme = readFileSync(path.join(__dirname, "..", "README.md"), "utf8");

it("README.md says what the catalogue, the stages and the settings say (npm run docs)", () => {
  expect(withSections(readme)).toBe(readme);
});

it("the picture shows every image of the variant", () => {
  for (const variant of VARIANT_NAMES) {
    for (const { name } of stackNodes(readDefinitions(), { variant, images: MODEL_IMAGES.hub })) {
      expect(hierarchyPicture(variant)).toMatch(new RegExp(`(--> | & |\\.-> |^ +)${name}(?![\\w-])`, "m"));
    }
  }
});
